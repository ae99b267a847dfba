package bot

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pushtrain/bot/irc/irctest"
	"pushtrain/train"
)

var lifeTime = flag.Duration("life", 0, "how long TestLife goes on; 0 = one round of some troubles")

// TestLife is a day of a bot on a network of two servers with services, told in
// hours: in each something happens to the network, the channel, the bot or its
// clock. A minute later at most the bot is in the channel, the queue and the topic
// are what people made them, and no goroutine and no file is left over. Between
// the troubles everybody speaks at once.
func TestLife(t *testing.T) {
	l := newLife(t)
	l.start()
	l.settle("the beginning", resources{})
	l.burst()
	l.settle("the first words", resources{})
	before := count()
	seed := uint64(1)
	if *lifeTime > 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	l.rng = rand.New(rand.NewPCG(seed, 6))
	took := map[string][]time.Duration{}
	for began, hour := time.Now(), 0; *lifeTime > 0 && time.Since(began) < *lifeTime || hour < len(sample); hour++ {
		x := troubles[l.rng.IntN(len(troubles))]
		if *lifeTime == 0 {
			x = sample[hour]
		}
		l.step.Add(int64(time.Hour))
		x.happens(l)
		took[x.name] = append(took[x.name], l.settle(x.name, before))
		l.burst()
		l.settle("words after "+x.name, before)
	}
	for name, all := range took {
		t.Logf("%-40s %4d times, the slowest way back %v", name, len(all), slices.Max(all).Round(time.Millisecond))
	}
	l.stop()
}

// trouble is what may happen. It is over when happens returns.
type trouble struct {
	name    string
	happens func(l *life)
}

var troubles = []trouble{
	{"the bot's server is killed", func(l *life) { l.net.Restart(0) }},
	{"the other server is killed", func(l *life) { l.net.Restart(1) }},
	{"both servers are killed", func(l *life) { l.net.Restart(0); l.net.Restart(1) }},
	{"services are started anew", func(l *life) { l.net.StopServices(); l.net.StartServices() }},
	{"the bot's server freezes", func(l *life) {
		l.net.Freeze(0)
		l.far().Sync()
		l.net.Thaw(0)
	}},
	{"the bot's server freezes until it is given up", func(l *life) {
		l.net.Freeze(0)
		l.until("the bot to give its server up", func() string {
			if l.look().online {
				return "it is in the channel"
			}
			return ""
		})
		l.net.Thaw(0)
		l.net.Link()
	}},
	{"the network splits", func(l *life) {
		l.net.Split()
		l.command(l.near(), ".leave")
		l.command(l.near(), ".join")
		l.net.Link()
	}},
	{"a split, and a topic by hand on the other side", func(l *life) {
		l.net.Split()
		l.command(l.near(), ".join")
		l.net.Link() // whose topic stays is for the servers to say: both are put right
		l.byHand()
	}},
	{"the bot is kicked", func(l *life) { l.net.Kick("#push", "pushbot") }},
	{"the bot is kicked, and a topic by hand", func(l *life) {
		l.net.Mode("#push", "+b pushbot!*@*")
		l.net.Kick("#push", "pushbot")
		l.byHand()
		l.net.Mode("#push", "-b pushbot!*@*")
	}},
	{"the bot is killed", func(l *life) { l.net.Kill("pushbot") }},
	{"the bot's nick is stolen", func(l *life) {
		thief := irctest.Connect(l.t, l.net.Addr(1), irctest.Person{Nick: l.name("thief")})
		thief.Welcome()
		thief.Join("#push")
		l.net.Kill("pushbot")
		thief.Send("NICK pushbot")
		thief.Sync()
		l.settle("the theft", resources{})
		thief.Say("#push", "clear")
		thief.Close()
	}},
	{"the bot may not write the topic", func(l *life) {
		l.net.Mode("#push", "+t-o pushbot")
		l.command(l.near(), ".leave")
		l.command(l.near(), ".join")
		l.net.Mode("#push", "+o pushbot")
		l.settle("it may write again", resources{})
		l.net.Mode("#push", "-t")
	}},
	{"the channel is moderated", func(l *life) {
		l.net.Mode("#push", "+m-o pushbot")
		l.near().Say("#push", ".leave") // nobody hears it
		l.net.Mode("#push", "-m")
	}},
	{"nobody gets in", func(l *life) {
		l.net.Mode("#push", "+ilk 1 key")
		l.net.Kick("#push", "pushbot")
		l.net.Mode("#push", "-ilk key")
	}},
	{"the clock goes a day forward", func(l *life) { l.step.Add(int64(24 * time.Hour)) }},
	{"the clock goes a day back", func(l *life) { l.step.Add(-int64(24 * time.Hour)) }},
	{"the bot is started anew", func(l *life) { l.stop(); l.start() }},
	{"a topic by hand while there is no bot", func(l *life) { l.stop(); l.byHand(); l.start() }},
	{"everybody leaves and comes back", func(l *life) {
		for _, p := range l.people {
			p.Send("QUIT :home")
			p.ExpectEnd()
		}
	}},
}

// sample are the troubles of a short test.
var sample = slices.DeleteFunc(slices.Clone(troubles), func(x trouble) bool {
	return !slices.Contains([]string{"the bot's server is killed", "a split, and a topic by hand on the other side", "the bot's nick is stolen", "the clock goes a day back"}, x.name)
})

// life is a bot among people, and what its queue should be.
type life struct {
	t      *testing.T
	net    *irctest.Network
	rng    *rand.Rand
	dir    string
	bot    *Bot
	stop   func()
	step   atomic.Int64 // of the bot's clock, in ns
	names  int
	watch  *irctest.Client   // at the bot's server: sees what the bot sees, in that order
	people []*irctest.Client // every second one at the other server
	queue  [][]string        // the trains, in order
}

func newLife(t *testing.T) *life {
	l := &life{t: t, net: irctest.Inspircd(t, irctest.NetworkOptions{}), rng: rand.New(rand.NewPCG(1, 6)), dir: t.TempDir()}
	maker := irctest.Dial(t, l.net.Addr(0), "maker")
	for i := range 6 {
		maker.Register(fmt.Sprint("rider", i))
		maker.Say("NickServ", "LOGOUT")
	}
	maker.Send("QUIT")
	l.people = make([]*irctest.Client, 6)
	return l
}

// start runs the bot, until stop.
func (l *life) start() {
	l.t.Helper()
	l.bot, l.stop = ahead(l.t, l.net.Addr(0), l.dir, &l.step)
}

// ahead runs a bot in #push whose clock is a step ahead, in ns: see boot.
func ahead(t *testing.T, addr, dir string, step *atomic.Int64) (b *Bot, stop func()) {
	t.Helper()
	rules := train.Rules{Stacks: []train.Stack{{Name: "web", Stages: []train.Stage{{Name: "prod"}}}}}
	return boot(t, addr, Config{Rules: rules, Nick: "pushbot", Channel: "#push", Dir: dir}, newScripted(),
		func() time.Time { return time.Now().Add(time.Duration(step.Load())) })
}

// name is one that nobody has had.
func (l *life) name(of string) string {
	l.names++
	return fmt.Sprint(of, l.names)
}

// near is somebody at the bot's server, far somebody at the other.
func (l *life) near() *irctest.Client { return l.people[2*l.rng.IntN(len(l.people)/2)] }
func (l *life) far() *irctest.Client  { return l.people[1+2*l.rng.IntN(len(l.people)/2)] }

// back sends everybody back whose link has ended.
func (l *life) back() {
	l.t.Helper()
	if l.watch == nil || l.watch.Ended() {
		l.drop(l.watch)
		l.watch = irctest.Dial(l.t, l.net.Addr(0), l.name("watch"))
		l.watch.Join("#push")
	}
	for i, p := range l.people {
		if p == nil || p.Ended() {
			l.drop(p)
			l.people[i] = irctest.DialAs(l.t, l.net.Addr(i%2), irctest.Person{Nick: fmt.Sprint("rider", i), Account: fmt.Sprint("rider", i)})
			l.people[i].Join("#push")
		}
	}
}

func (l *life) drop(c *irctest.Client) {
	if c != nil {
		c.Close()
	}
}

// wish is what the queue becomes by a word of somebody.
func (l *life) wish(nick, word string) {
	rides := slices.ContainsFunc(l.queue, func(tr []string) bool { return slices.Contains(tr, nick) })
	switch {
	case word == ".join" && !rides && len(l.queue) < 2: // all fit into one train, and the first has left the yard
		l.queue = append(l.queue, []string{nick})
	case word == ".join" && !rides:
		l.queue[1] = append(l.queue[1], nick)
	case word == ".leave":
		for i, tr := range l.queue {
			l.queue[i] = slices.DeleteFunc(tr, func(s string) bool { return s == nick })
		}
		l.queue = slices.DeleteFunc(l.queue, func(tr []string) bool { return len(tr) == 0 })
	}
}

// command has somebody at the bot's server say a word, and waits until the bot has taken it.
func (l *life) command(c *irctest.Client, word string) {
	l.t.Helper()
	c.Say("#push", word)
	c.Sync()
	l.wish(c.Nick, word)
	l.meet()
}

// meet waits until the bot has read all that has been said so far.
func (l *life) meet() {
	l.t.Helper()
	met(l.watch, "#push")
}

// byHand has somebody put themselves in front.
func (l *life) byHand() {
	l.t.Helper()
	who, was := l.near(), topicOf(l.queue)
	l.wish(who.Nick, ".leave")
	l.queue = slices.Insert(l.queue, 0, []string{who.Nick})
	text := topicOf(l.queue)
	if text == was {
		return // servers tell of no such change
	}
	for answer := []string{"", "437"}; answer[1] == "437"; { // two servers that have just met may not take it yet
		who.Send("TOPIC #push :" + text)
		answer = who.Expect(`^\S+ (437) |^:` + who.Nick + `!\S+ TOPIC #push :` + regexp.QuoteMeta(text) + `$`)
	}
}

var wordSaid = regexp.MustCompile(`^(?:@\S+ )?:(rider\d)!\S+ PRIVMSG #push :(\.join|\.leave|mark \d+)$`)

// burst has everybody say a few words at once. The bot's server tells the bot and
// the watch of them in one order: in that they count, each once.
func (l *life) burst() {
	l.t.Helper()
	for range 2 {
		for _, p := range l.people {
			p.Say("#push", []string{".join", ".join", ".leave"}[l.rng.IntN(3)])
		}
	}
	mark := fmt.Sprint("mark ", l.rng.Uint32())
	for _, p := range l.people {
		p.Say("#push", mark)
	}
	marks := 0
	l.watch.ExpectFunc(irctest.Patience, "everybody's mark", func(line string) bool {
		m := wordSaid.FindStringSubmatch(line)
		switch {
		case m == nil:
		case m[2] == mark:
			marks++
		default:
			l.wish(m[1], m[2])
		}
		return marks == len(l.people)
	})
	l.meet()
}

// settle waits until all is as it should be, for a minute at most, and returns how long it took.
func (l *life) settle(after string, before resources) time.Duration {
	l.t.Helper()
	return l.until(after, func() string {
		l.back()
		return l.wrong(before)
	})
}

// until asks what is wrong until nothing is, for a minute at most.
func (l *life) until(what string, wrong func() string) time.Duration {
	l.t.Helper()
	began := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	over := time.After(time.Minute)
	for {
		why := wrong()
		if why == "" {
			return time.Since(began)
		}
		select {
		case <-tick.C:
		case <-over:
			stacks := make([]byte, 1<<20)
			l.t.Fatalf("a minute after %s: %s; seen:\n%s\n%s", what, why, strings.Join(l.watch.Sync(), "\n"), stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// found is what the bot thinks.
type found struct {
	online bool
	nick   string
	queue  string
}

func (l *life) look() found {
	l.t.Helper()
	f, err := call(l.t.Context(), l.bot, func(answer chan<- found) {
		answer <- found{l.bot.online, l.bot.nick, train.Format(l.bot.train.Queue)}
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return f
}

// wrong says what is not as it should be; "" = nothing.
func (l *life) wrong(before resources) string {
	l.t.Helper()
	is := l.look()
	switch {
	case !is.online:
		return "the bot is not in the channel"
	case is.queue != topicOf(l.queue):
		return fmt.Sprintf("the bot's queue is %q, not %q", is.queue, topicOf(l.queue))
	}
	l.watch.Send("WHO #push") // it tells the bot from a thief who has its nick
	there := false
	l.watch.ExpectFunc(irctest.Patience, "who is there", func(line string) bool {
		f := strings.Fields(line)
		there = there || len(f) > 7 && f[1] == "352" && f[4] == "pushbot" && f[7] == is.nick
		return strings.Contains(line, " 315 ")
	})
	if !there {
		return "the server does not have the bot in the channel"
	}
	l.watch.Send("TOPIC #push")
	line := l.watch.ExpectFunc(irctest.Patience, "the topic", func(line string) bool {
		return strings.Contains(line, " 331 ") || strings.Contains(line, " 332 ")
	})
	_, text, _ := strings.Cut(line, " #push :")
	if text != topicOf(l.queue) {
		return fmt.Sprintf("the topic is %q, not %q", text, topicOf(l.queue))
	}
	if now := count(); before != (resources{}) && (now.goroutines > before.goroutines || now.files > before.files) {
		return fmt.Sprintf("there are %+v, before %+v", now, before)
	}
	return ""
}

// topicOf is the topic of a queue.
func topicOf(queue [][]string) string {
	if len(queue) == 0 {
		return "clear"
	}
	var trains []string
	for _, tr := range queue {
		trains = append(trains, strings.Join(tr, " + "))
	}
	return strings.Join(trains, " | ")
}

// resources are what a process must not have more and more of.
type resources struct{ goroutines, files int }

func count() resources {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return resources{}
	}
	return resources{runtime.NumGoroutine(), len(fds)}
}
