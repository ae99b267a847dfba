package bot

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"pushtrain/bot/irc"
	"pushtrain/bot/irc/irctest"
	"pushtrain/bot/store"
	"pushtrain/deploy"
	"pushtrain/train"
)

var thefts = flag.Int("thief", 50, "races of TestThief")

// TestThief has somebody take the driver's nick, from the same user@host, each
// time that the driver lets go of it, and say what only the driver may. No word of
// theirs may count, and the driver must have the train again afterwards, by account
// alone. Every second network has no account-tag.
func TestThief(t *testing.T) {
	const networks = 5
	var all sync.WaitGroup // not t.Parallel: the races wait for servers, not for a processor
	defer all.Wait()
	for i := range networks {
		play := func(t *testing.T) {
			n := irctest.Inspircd(t, irctest.NetworkOptions{NoTags: i%2 == 1})
			maker := irctest.Dial(t, n.Addr(0), "maker")
			for _, account := range []string{"driver", "rider", "thief"} {
				maker.Register(account)
				maker.Say("NickServ", "LOGOUT")
			}
			maker.Send("QUIT")
			for k := i; k < *thefts; k += networks {
				way := ways[k/networks%len(ways)]
				if !t.Run(fmt.Sprintf("%d %s", k, way.name), func(t *testing.T) { newHeist(t, n, k, way.name).run(way.race) }) {
					return // the network may be in any state
				}
			}
		}
		all.Go(func() { t.Run(fmt.Sprintf("network %d", i), play) })
	}
}

// ways are what a thief waits for. Each returns who drives afterwards.
var ways = []struct {
	name string
	race func(*heist) *irctest.Client
}{
	{"quit", (*heist).quit},
	{"rename", (*heist).rename},
	{"split", (*heist).split},
	{"ghost", (*heist).ghost},
	{"twins", (*heist).twins},
	{"part", (*heist).part},
	{"away", (*heist).away},
	{"logout", (*heist).logout},
	{"no account", (*heist).noAccount},
	{"hand", (*heist).hand},
}

// heist is one race: a bot in a channel of its own, a driver, a rider, a thief.
type heist struct {
	t       *testing.T
	net     *irctest.Network
	addr    string // the bot's server
	rules   train.Rules
	rng     *rand.Rand
	k       int
	channel string
	nick    string // the driver's
	bot     *Bot

	watch  *irctest.Client // at the bot's server, as all that the bot sees
	driver *irctest.Client
	rider  *irctest.Client
	again  *irctest.Client // the driver's next link, registered and logged in
	thief  *irctest.Client
	drove  string // the account that may start a rollout in the end
	seats  int
}

func newHeist(t *testing.T, n *irctest.Network, k int, way string) *heist {
	h := &heist{t: t, net: n, addr: n.Addr(0), k: k, rng: rand.New(rand.NewPCG(uint64(k), 5)), drove: "driver", seats: 2,
		channel: fmt.Sprintf("#push%d", k), nick: fmt.Sprintf("d[%d", k)}
	far := n.Addr(h.rng.IntN(2)) // the server of the driver's
	near := n.Addr(h.rng.IntN(2))
	account := map[bool]string{true: "thief"}[h.rng.IntN(2) == 0]
	driver := irctest.Person{Nick: h.nick, User: "d", Account: "driver"}
	switch way {
	case "split":
		near, far = n.Addr(0), n.Addr(1)
	case "no account":
		driver.Account = ""
	}
	h.watch = irctest.Connect(t, n.Addr(0), irctest.Person{Nick: fmt.Sprintf("w%d", k)})
	h.driver = irctest.Connect(t, far, driver)
	h.again = irctest.Connect(t, far, irctest.Person{Nick: fmt.Sprintf("again%d", k), User: "d", Account: "driver"})
	h.rider = irctest.Connect(t, n.Addr(0), irctest.Person{Nick: fmt.Sprintf("r%d", k), Account: "rider"})
	h.thief = irctest.Connect(t, near, irctest.Person{Nick: fmt.Sprintf("t%d", k), User: "d", Account: account})
	h.start()
	for _, c := range []*irctest.Client{h.watch, h.driver, h.rider, h.thief, h.again} {
		c.Welcome()
		if c != h.again {
			c.Join(h.channel)
		}
	}
	for _, c := range []*irctest.Client{h.watch, h.driver, h.rider, h.thief} {
		c.Sees(h.channel, h.botNick(), h.watch.Nick, h.driver.Nick, h.rider.Nick, h.thief.Nick)
	}
	return h
}

// start runs a bot in the channel until the race is over; a rollout waits at its first step.
func (h *heist) start() { h.bot = begin(h.t, h.botNick(), h.channel, h.addr, h.rules, newScripted()) }

// cutter is a Deployer of tests, which gives up what is under way when it is cut.
type cutter interface {
	Deployer
	cut()
}

// begin runs a bot in a channel of a server until the test ends.
func begin(t *testing.T, nick, channel, addr string, rules train.Rules, fleet cutter) *Bot {
	t.Helper()
	ready := make(chan struct{})
	rules.Stacks = []train.Stack{{Name: "web", Stages: []train.Stage{{Name: "princess"}, {Name: "prod"}}}}
	b, _ := boot(t, addr, Config{Rules: rules, Nick: nick, Channel: channel, Dir: t.TempDir(), Ready: func() { close(ready) },
		Fleets: map[deploy.Target]Fleet{{Stack: "web", Stage: "princess"}: {Branch: "main", Hosts: []string{"p1"}}, {Stack: "web", Stage: "prod"}: {Branch: "main", Hosts: []string{"w1"}}}}, fleet, time.Now)
	<-ready
	return b
}

// boot runs a bot at a server, with what its folder holds, until stop or the test's end.
func boot(t *testing.T, addr string, cfg Config, fleet cutter, clock func() time.Time) (b *Bot, stop func()) {
	t.Helper()
	st, err := store.Open(filepath.Join(cfg.Dir, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Version, cfg.Log = "test", zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.ErrorLevel)
	link := irc.New(irc.Config{Server: addr, Nick: cfg.Nick, Channel: cfg.Channel, Log: cfg.Log})
	if b, err = New(cfg, st, link, fleet); err != nil {
		t.Fatal(err)
	}
	b.clock = clock
	ctx, cancel := context.WithCancel(context.Background())
	events, ended := make(chan irc.Event), make(chan error, 3)
	go func() { ended <- b.Run(ctx) }()
	go func() { b.Deliver(ctx, events); ended <- nil }()
	go func() { ended <- link.Run(ctx, events) }()
	stop = sync.OnceFunc(func() {
		cancel()
		fleet.cut()
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return b, stop
}

func (h *heist) botNick() string { return fmt.Sprintf("bot%d", h.k) }

// run plays the race and judges it.
func (h *heist) run(race func(*heist) *irctest.Client) {
	h.command(h.driver, ".join")
	h.command(h.rider, ".join with "+h.nick)
	h.meet()
	h.judge("before the race", false)
	driver := race(h)
	h.judge("after the race", false)
	driver.Say(h.channel, ".princess")
	h.meetAfter(driver)
	if h.judge("at the end", true); h.t.Failed() {
		h.t.Logf("the driver heard:\n%s", strings.Join(driver.Sync(), "\n"))
	}
	for _, c := range []*irctest.Client{h.watch, h.driver, h.rider, h.again, h.thief} {
		c.Close()
	}
}

// command says something to the bot and waits until it has been read.
func (h *heist) command(c *irctest.Client, text string) {
	c.Say(h.channel, text)
	h.meetAfter(c)
}

// meetAfter waits until the bot has read all that c has said so far.
func (h *heist) meetAfter(c *irctest.Client) {
	h.t.Helper()
	mark := fmt.Sprintf("mark %d", h.rng.Uint64())
	c.Say(h.channel, mark)
	h.watch.Expect(` PRIVMSG ` + h.channel + ` :` + mark + `$`)
	h.meet()
}

// meet waits until the bot has read all that the watch has seen so far.
func (h *heist) meet() {
	h.t.Helper()
	met(h.watch, h.channel)
}

// met waits until the bot has read all that c has seen so far in the channel.
func met(c *irctest.Client, channel string) {
	c.Say(channel, ".version")
	c.Expect(` NOTICE \S+ :pushtrain test; I know people by `)
}

// judge: the queue is the driver and the rider, as they came, and a rollout runs only in the end, by whoever may.
func (h *heist) judge(when string, runs bool) {
	h.t.Helper()
	type found struct {
		state train.State
		steps []train.Who
		err   error
	}
	f, err := call(h.t.Context(), h.bot, func(answer chan<- found) {
		f := found{state: h.bot.train}
		f.steps, f.err = startedBy(h.bot.store)
		answer <- f
	})
	if err != nil || f.err != nil {
		h.t.Fatal(err, f.err)
	}
	var problems []string
	if trains := f.state.Queue.Trains; len(trains) != 1 || len(trains[0].Riders) != h.seats {
		problems = append(problems, "the queue is "+f.state.Topic())
	}
	for _, tr := range f.state.Queue.Trains {
		for _, r := range tr.Riders {
			if r.Who.Account == "thief" || r.Mark != train.None {
				problems = append(problems, fmt.Sprintf("a seat is %+v", r))
			}
		}
		if tr.Stage != "" {
			problems = append(problems, "the marker says "+tr.Stage)
		}
	}
	if runs != (len(f.state.Busy) == 1) {
		problems = append(problems, fmt.Sprintf("rollouts: %+v", f.state.Busy))
	}
	for _, by := range f.steps {
		if by.Account != h.drove {
			problems = append(problems, fmt.Sprintf("%+v started a rollout", by))
		}
	}
	if problems != nil {
		h.t.Errorf("race %d, %s: THEFT: %s", h.k, when, strings.Join(problems, "; "))
	}
}

// startedBy are those who started rollouts.
func startedBy(st *store.Store) (by []train.Who, err error) {
	for rec, err := range st.Records(1) {
		if err != nil {
			return nil, err
		}
		if rec.Kind != kindTrain || rec.Type != "Step" {
			continue
		}
		in, err := Input(rec)
		if err != nil {
			return nil, err
		}
		by = append(by, in.By)
	}
	return by, nil
}

// attack is what the thief sends to be taken for the one who is called nick: the
// nick, and what only a driver or a rider may say. A nick that is not free yet is tried again.
func (h *heist) attack(nick string) []string {
	words := []string{".good", ".leave", ".drive " + h.thief.Nick, ".at princess", ".done", ".abort", ".pop", ".drive", h.botNick() + ": princess", ".uhoh"}
	var lines []string
	for range 1 + h.rng.IntN(3) {
		if nick != "" {
			lines = append(lines, "NICK "+nick)
		}
		lines = append(lines, h.to(".princess"), h.to(words[h.rng.IntN(len(words))]))
	}
	return lines
}

func (h *heist) to(text string) string { return "PRIVMSG " + h.channel + " :" + text }

// twin is nick, or another way to write it.
func (h *heist) twin(nick string) string {
	if h.rng.IntN(2) == 0 {
		return strings.ToUpper(strings.ReplaceAll(nick, "[", "{"))
	}
	return nick
}

// race sends what two people say as it comes, and lets one of them wait for the server now and then.
func (h *heist) race(a *irctest.Client, as []string, b *irctest.Client, bs []string) {
	for len(as)+len(bs) > 0 {
		if len(as) > 0 && h.rng.IntN(len(as)+len(bs)) < len(as) {
			a.Send(as[0])
			as = as[1:]
			continue
		}
		b.Send(bs[0])
		bs = bs[1:]
		if h.rng.IntN(4) == 0 {
			b.Sync()
		}
	}
	h.meetAfter(b)
}

// back has the driver come in by the new link, under the old nick if it is free.
func (h *heist) back() *irctest.Client {
	if h.rng.IntN(2) == 0 {
		h.thief.Send("NICK " + h.thief.Nick)
		h.thief.Sync()
	}
	h.again.Send("NICK " + h.nick)
	h.again.Join(h.channel)
	return h.again
}

func (h *heist) quit() *irctest.Client {
	h.race(h.driver, []string{"QUIT :bye"}, h.thief, h.attack(h.twin(h.nick)))
	h.race(h.again, nil, h.thief, h.attack(h.nick))
	return h.back()
}

func (h *heist) rename() *irctest.Client {
	away := h.nick + "_"
	h.race(h.driver, []string{"NICK " + away, h.to("brb"), "NICK " + h.nick, "NICK " + away}, h.thief, append(h.attack(h.nick), h.attack(away)...))
	return h.driver
}

func (h *heist) split() *irctest.Client {
	h.net.Split()
	h.race(h.rider, nil, h.thief, h.attack(h.twin(h.nick)))
	if h.rng.IntN(2) == 0 {
		h.thief.Send("NICK " + h.thief.Nick) // else the nicks collide
	}
	h.net.Link()
	h.driver.Sees(h.channel, h.watch.Nick)
	h.race(h.driver, []string{h.to("back"), h.to("again")}, h.thief, h.attack(h.nick))
	return h.driver
}

// ghost: the driver's old link hangs, and services end it.
func (h *heist) ghost() *irctest.Client {
	h.race(h.again, []string{"PRIVMSG NickServ :GHOST " + h.nick, "NICK " + h.nick, "NICK " + h.nick, "JOIN " + h.channel}, h.thief, h.attack(h.nick))
	h.driver.ExpectEnd()
	h.race(h.again, []string{"NICK " + h.nick}, h.thief, h.attack(h.nick))
	return h.back()
}

// twins: the nick in another case is the same nick, and the server's own rules say which those are.
func (h *heist) twins() *irctest.Client {
	h.race(h.driver, []string{"NICK " + h.twin(h.nick), "NICK " + h.nick + "_", h.to("hm"), "NICK " + h.twin(h.nick)},
		h.thief, append(h.attack(h.twin(h.nick)), h.attack(h.twin(h.nick+"_"))...))
	return h.driver
}

// part: outside of the channel nobody tells the bot of a nick.
func (h *heist) part() *irctest.Client {
	h.race(h.driver, []string{"PART " + h.channel, "NICK " + h.nick + "_"}, h.thief, append(h.attack(h.nick), h.attack("")...))
	if h.rng.IntN(2) == 0 {
		h.thief.Send("PART " + h.channel)
		h.thief.Join(h.channel)
		h.race(h.rider, nil, h.thief, h.attack(""))
	}
	h.driver.Join(h.channel)
	return h.driver
}

// away: nobody tells the bot anything while it is not there.
func (h *heist) away() *irctest.Client {
	h.net.Kill(h.botNick())
	lets, stays := "NICK "+h.nick+"_", h.rng.IntN(2) == 0
	if !stays {
		lets = "QUIT"
	}
	for _, line := range h.attack(h.nick) {
		h.thief.Send(line)
	}
	h.driver.Send(lets)
	for _, line := range h.attack(h.nick) {
		h.thief.Send(line)
	}
	h.watch.Expect(`^:` + h.botNick() + `\S* JOIN `)
	h.race(h.rider, nil, h.thief, h.attack(h.nick))
	if stays {
		return h.driver
	}
	return h.back()
}

func (h *heist) logout() *irctest.Client {
	h.race(h.driver, []string{"PRIVMSG NickServ :LOGOUT", "NICK " + h.nick + "_", h.to("hm"), "NICK " + h.nick}, h.thief, h.attack(h.nick))
	h.driver.Expect(` 901 `)
	h.command(h.driver, ".princess")
	h.judge("after the logout", false)
	h.driver.Login("driver")
	return h.driver
}

// noAccount: a driver who is not logged in has nothing that a thief has not, and loses the seat.
func (h *heist) noAccount() *irctest.Client {
	h.command(h.driver, ".princess")
	h.judge("without an account", false)
	h.race(h.driver, []string{"QUIT"}, h.thief, h.attack(h.nick))
	h.thief.Login("thief")
	h.race(h.rider, nil, h.thief, h.attack(h.nick))
	h.drove = "rider"
	h.command(h.rider, ".drive")
	return h.rider
}

// hand: a name that a hand wrote is that of whoever had it then.
func (h *heist) hand() *irctest.Client {
	carol := fmt.Sprintf("carol%d", h.k)
	h.again.Send("NICK " + carol)
	h.again.Join(h.channel)
	h.watch.Expect(`^:` + carol + `!\S+ JOIN `)
	for refused := true; refused; { // a network takes one topic a second
		h.watch.Send("TOPIC " + h.channel + " :" + carol + " + " + h.nick + " + " + h.rider.Nick)
		refused = h.watch.Expect(` (TOPIC|437 \S+) ` + h.channel + ` :`)[1] != "TOPIC"
	}
	h.meet()
	h.seats, h.drove = 3, "rider"
	h.race(h.again, []string{"QUIT"}, h.thief, h.attack(carol))
	h.race(h.rider, nil, h.thief, h.attack(carol))
	h.judge("with a name by hand", false)
	h.command(h.rider, ".drive")
	return h.rider
}

// TestThiefAndCodes: where nothing tells a thief from the driver, the code does. The
// thief is quick, reads all that the bot sends to the nick, and uses each code.
func TestThiefAndCodes(t *testing.T) {
	server := irctest.Ngircd(t, irctest.Options{})
	for k := range 24 {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			h := &heist{t: t, addr: server.Addr(), k: k, rng: rand.New(rand.NewPCG(uint64(k), 6)), drove: "nobody yet", seats: 1,
				channel: fmt.Sprintf("#push%d", k), nick: fmt.Sprintf("d%d", k), rules: train.Rules{Code: true}}
			h.start()
			person := func(nick string) *irctest.Client {
				c := irctest.DialAs(t, h.addr, irctest.Person{Nick: nick, User: "d"})
				c.Join(h.channel)
				return c
			}
			h.watch, h.driver, h.thief = person(fmt.Sprintf("w%d", k)), person(h.nick), person(fmt.Sprintf("t%d", k))
			h.driver.Say(h.channel, ".join")
			leave, code := []string{"QUIT", "NICK x" + h.nick}[k%2], ""
			if k%4 >= 2 { // else the driver is gone before the code can have come
				code = h.driver.Expect(` NOTICE \S+ :your code is (\w+)`)[1]
				h.meetAfter(h.driver)
			}
			if k%8 >= 4 {
				h.meet() // the bot has seen that the code came
			}
			h.driver.Send(leave)
			for range 20 {
				h.thief.Send("NICK " + h.nick)
			}
			h.meetAfter(h.thief)
			h.thief.Say(h.channel, ".princess")
			for range 3 { // a code may be answered by a code
				for _, line := range h.thief.Sync() {
					if m := codeSent.FindStringSubmatch(line); m != nil {
						h.thief.Say(h.channel, ".princess "+m[1])
						h.thief.Say(h.channel, ".drive "+m[1])
					}
				}
				h.meetAfter(h.thief)
			}
			h.judge("after the race", false)
			if code == "" {
				return
			}
			if leave == "QUIT" {
				h.thief.Send("NICK " + h.thief.Nick)
				h.thief.Sync()
				h.driver = person(h.nick)
			}
			h.drove = ""
			h.command(h.driver, ".princess "+code)
			h.judge("at the end", true)
		})
	}
}

var codeSent = regexp.MustCompile(` NOTICE \S+ :your code is (\w+)`)
