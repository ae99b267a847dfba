package bot

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"github.com/rs/zerolog"

	"pushtrain/bot/irc"
	"pushtrain/bot/store"
	"pushtrain/bot/watch"
	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/release"
	"pushtrain/train"
)

// stage is where a scene is played: a bot, a channel, a fleet.
type stage struct {
	t       *testing.T
	dir     string
	cfg     Config
	hello   irc.Online
	members []irc.Who // in the channel, in the order in which they came
	known   map[string]irc.Who

	chat   *channel
	fleet  *scripted
	store  *store.Store
	bot    *Bot
	online bool
	leave  func() // ends the bot
	errs   chan error
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t, dir: t.TempDir(), known: map[string]irc.Who{}, fleet: newScripted()}
	s.chat = &channel{}
	s.cfg = Config{Nick: "pushbot", Channel: "#push", Dir: s.dir, Version: "test", Log: zerolog.Nop()}
	s.hello = irc.Online{Nick: "pushbot", Prefix: "pushbot!pb@bot.example", Casemap: train.ASCII, TopicLen: 300}
	s.stacks("web: princess prod")
	for _, nick := range []string{"alice", "bob", "carol", "dave"} {
		s.members = append(s.members, s.person(nick))
	}
	return s
}

// person is who stands behind a nick.
func (s *stage) person(nick string) irc.Who {
	if _, ok := s.known[nick]; !ok {
		s.known[nick] = irc.Who{Nick: nick, User: strings.ToLower(nick), Host: strings.ToLower(nick) + ".example"}
	}
	return s.known[nick]
}

// here is a person in the channel, who comes in unless they are.
func (s *stage) here(nick string) irc.Who {
	_, known := s.known[nick]
	who := s.person(nick)
	if !slices.ContainsFunc(s.members, func(m irc.Who) bool { return m.Nick == nick }) {
		if known {
			s.t.Fatalf("%s is not in the channel", nick)
		}
		s.members = append(s.members, who)
		s.see(irc.Joined{Who: who})
	}
	return who
}

// see shows the bot something, if it is online.
func (s *stage) see(e irc.Event) {
	if s.online {
		s.bot.ear.put(e)
	}
}

// ensure starts the bot when the scene's first word comes.
func (s *stage) ensure() error {
	if s.bot != nil {
		return nil
	}
	if err := s.start(); err != nil {
		return err
	}
	s.comeOnline()
	said := s.chat.take()
	if len(said) != 1 || !strings.HasSuffix(said[0], "clear") {
		return fmt.Errorf("a new bot in a channel without topic says %q", said)
	}
	if said[0] != "topic    clear" {
		s.chat.note(said[0])
	}
	return nil
}

func (s *stage) start() error {
	var err error
	if s.store, err = store.Open(filepath.Join(s.dir, "journal.db")); err != nil {
		return err
	}
	if s.bot, err = New(s.cfg, s.store, s.chat, s.fleet); err != nil {
		return err
	}
	s.chat.bot = s.bot
	ctx, cancel := context.WithCancel(context.Background())
	s.errs = make(chan error, 1)
	go func() { s.errs <- s.bot.Run(ctx) }()
	s.leave = cancel
	synctest.Wait()
	return nil
}

// stop ends the bot; its journal stays open.
func (s *stage) stop() {
	if s.leave == nil {
		return
	}
	s.leave()
	s.leave = nil
	synctest.Wait() // it takes no answers any more: what is under way stays open
	s.fleet.cut()
	if err := <-s.errs; err != nil {
		s.t.Errorf("the bot ended: %v", err)
	}
	s.online = false
}

func (s *stage) end() {
	s.stop()
	if s.store != nil {
		s.store.Close()
	}
}

func (s *stage) comeOnline() {
	hello := s.hello
	for _, m := range s.members {
		hello.Members = append(hello.Members, irc.Member{Who: m})
	}
	s.online = true
	s.see(hello)
	text, by, _ := s.chat.shown()
	s.see(irc.Topic{Text: text, By: irc.Who{Nick: by}, OnJoin: true, Exists: text != ""})
	synctest.Wait()
}

var (
	spoken  = regexp.MustCompile(`^([^ ]+?)( to pushbot)?> (.*)$`)
	happens = regexp.MustCompile(`^([a-z]+)/([a-z]+) (ok|at|fails for good|fails)\b:? ?(.*)$`)
	gets    = regexp.MustCompile(`^([a-z]+) gets ([0-9a-f]+) by (.+) <(.*)> "(.*)"(?:: (.*))?$`)
	loses   = regexp.MustCompile(`^([a-z]+)/([a-z]+) loses (\d+) bytes on ([a-z0-9]+)$`)
	logs    = regexp.MustCompile(`^([a-z]+)/([a-z]+) logs (?:(\d+) times )?on ([a-z0-9]+): (.*)$`)
	drifts  = regexp.MustCompile(`^([a-z]+)/([a-z]+) drifts: host ([a-z0-9]+), (.*)$`)
	shell   = regexp.MustCompile(`^\$ ([a-z]+): ([a-z]+) ?([a-z]*) ?([a-z]*) ?(?:"(.*)")?$`)
)

// do plays one line.
func (s *stage) do(line string) error {
	if ok, err := s.directive(line); ok || err != nil {
		return err
	}
	if err := s.ensure(); err != nil {
		return err
	}
	rest, atOnce := strings.CutPrefix(line, "at once: ")
	if !atOnce {
		time.Sleep(11 * time.Second)
	}
	defer synctest.Wait()
	if d, ok := strings.CutPrefix(rest, "wait "); ok {
		d, err := time.ParseDuration(d)
		time.Sleep(d)
		return err
	}
	if m := happens.FindStringSubmatch(rest); m != nil {
		return s.rollout(deploy.Target{Stack: m[1], Stage: m[2]}, m[3], m[4])
	}
	if m := logs.FindStringSubmatch(rest); m != nil {
		n, err := strconv.Atoi(cmp.Or(m[3], "1"))
		s.fleet.mu.Lock()
		out := s.fleet.logs[deploy.Target{Stack: m[1], Stage: m[2]}]
		s.fleet.mu.Unlock()
		synctest.Wait() // the bot has looked at this moment already: it sees all of the lines, or none
		for range n {
			out(fleet.Line{Host: m[4], Text: m[5]})
		}
		time.Sleep(300 * time.Millisecond) // the bot looks four times a second
		return err
	}
	if m := loses.FindStringSubmatch(rest); m != nil {
		n, err := strconv.ParseInt(m[3], 10, 64)
		s.fleet.mu.Lock()
		out := s.fleet.logs[deploy.Target{Stack: m[1], Stage: m[2]}]
		s.fleet.mu.Unlock()
		out(fleet.Line{Host: m[4], Lost: n})
		return err
	}
	if m := gets.FindStringSubmatch(rest); m != nil {
		s.fleet.brings(m[1], release.Commit{Hash: m[2], At: time.Now(), Name: m[3], Email: m[4], Subject: m[5], Files: strings.Fields(m[6])})
		return nil
	}
	if m := drifts.FindStringSubmatch(rest); m != nil {
		s.fleet.drifts(deploy.Target{Stack: m[1], Stage: m[2]}, fleet.HostStatus{Name: m[3], Drift: strings.Split(m[4], "; ")})
		return nil
	}
	if m := shell.FindStringSubmatch(rest); m != nil {
		return s.shell(Request{By: m[1], Do: m[2], Stack: m[3], Stage: m[4], Text: m[5], Override: m[5]})
	}
	if e, ok := strings.CutPrefix(rest, "*** "); ok {
		return s.event(e)
	}
	m := spoken.FindStringSubmatch(rest)
	if m == nil {
		return fmt.Errorf("what is that?")
	}
	s.see(irc.Said{From: s.here(m[1]), Private: m[2] != "", Text: m[3]})
	return nil
}

// shell asks as `pushtrain` does.
func (s *stage) shell(r Request) error {
	var replies []string
	exit, err := s.bot.Ask(s.t.Context(), r, func(r Reply) {
		if r.Line != "" {
			replies = append(replies, "$ "+r.Line)
		}
	})
	synctest.Wait() // the channel hears of it first, so that each scene is always the same
	for _, line := range append(replies, fmt.Sprintf("$ exit %d", exit)) {
		s.chat.note(line)
	}
	return err
}

// rollout lets the rollouts of a target go on.
func (s *stage) rollout(t deploy.Target, how, what string) error {
	o := order{until: last}
	switch how {
	case "at":
		o.until = deploy.Kind(what)
	case "fails", "fails for good":
		o.always = how != "fails"
		var where string
		where, o.reason, _ = strings.Cut(what, ": ")
		if host, ok := strings.CutPrefix(where, "host "); ok {
			host, kind, _ := strings.Cut(host, ", ")
			o.host, where = host, kind
		}
		o.fails = deploy.Kind(where)
		if o.reason == "" || !slices.Contains(kinds, o.fails) {
			return fmt.Errorf("%q is no step: one of %v", where, kinds)
		}
	}
	s.fleet.order(t, o)
	for range 1200 { // time that passes in the bubble
		time.Sleep(time.Second)
		synctest.Wait()
		r, running := s.running(t)
		if !running || r.State == deploy.Barrier || s.fleet.waits(t) {
			s.fleet.rest(func(t deploy.Target) bool { _, runs := s.running(t); return runs })
			return nil
		}
	}
	return fmt.Errorf("it never ends")
}

// running is the rollout of a target that is under way.
func (s *stage) running(t deploy.Target) (deploy.Rollout, bool) {
	synctest.Wait()
	defer s.settled()
	for _, r := range s.bot.book.Open {
		if r.Target == t && r.State != deploy.Stuck {
			return r, true
		}
	}
	return deploy.Rollout{}, false
}

// settled lets the bot go on after its state was read: what it does next happens after the reading.
func (s *stage) settled() {
	if _, err := s.bot.Ask(s.t.Context(), Request{Do: "queue"}, func(Reply) {}); err != nil {
		s.t.Error(err)
	}
	synctest.Wait()
}

// directive sets up a scene.
func (s *stage) directive(line string) (bool, error) {
	word, rest, _ := strings.Cut(line, " ")
	var err error
	switch word {
	case "stacks":
		s.stacks(rest)
	case "cap":
		s.cfg.Rules.Cap, err = strconv.Atoi(rest)
	case "idle":
		s.cfg.Rules.Idle, err = time.ParseDuration(rest)
	case "diffs":
		stack, url, _ := strings.Cut(rest, " ")
		s.cfg.Diffs = map[string]string{stack: url}
	case "people":
		s.cfg.People = map[string]string{}
		for _, pair := range strings.Split(rest, "; ") {
			key, nick, _ := strings.Cut(pair, " = ")
			s.cfg.People[key] = nick
		}
	case "watch": // web/prod 5m 10x 20 rollback
		f := strings.Fields(rest)
		w := Watch{Rules: watch.Rules{}, Rollback: f[len(f)-1] == "rollback"}
		if w.Window, err = time.ParseDuration(f[1]); err == nil && len(f) > 3 {
			if w.Rate, err = strconv.ParseFloat(strings.TrimSuffix(f[2], "x"), 64); err == nil {
				w.Lines, err = strconv.Atoi(f[3])
			}
		}
		stack, name, _ := strings.Cut(f[0], "/")
		t := deploy.Target{Stack: stack, Stage: name}
		fl := s.cfg.Fleets[t]
		fl.Watch = w
		s.cfg.Fleets[t] = fl
	case "hours": // mon-fri 09:00-17:00 Europe/Berlin; 2000-01-03 New Year
		s.cfg.Rules.Hours = rest
		if s.cfg.Hours, err = calendar(rest); err != nil {
			return true, err
		}
	case "audit":
		s.cfg.Audit, err = time.ParseDuration(rest)
	case "identity":
		s.cfg.Rules.Identity = rest
	case "code":
		s.cfg.Rules.Code = true
		if err := os.WriteFile(filepath.Join(s.dir, "code.key"), bytes.Repeat([]byte{7}, 32), 0o600); err != nil {
			return true, err
		}
	case "ops":
		s.cfg.Ops = strings.Fields(rest)
	case "accounts":
		s.hello.Accounts = true
		for i, m := range s.members {
			m.Account = m.Nick
			s.members[i], s.known[m.Nick] = m, m
		}
	case "casemapping":
		s.hello.Casemap = train.ParseCasemap(rest)
	case "topic":
		s.hello.TopicLen, err = strconv.Atoi(strings.TrimPrefix(rest, "limit "))
	case "first":
		s.fleet.empty = true
	case "quarantine":
		for target, f := range s.cfg.Fleets {
			if f.MaxQuarantine, err = strconv.Atoi(rest); len(f.Hosts) > 1 {
				s.cfg.Fleets[target] = f
			}
		}
	default:
		return false, nil
	}
	if s.bot != nil {
		return true, fmt.Errorf("the scene has begun")
	}
	return true, err
}

// calendar reads hours and their zone, and holidays with their names.
func calendar(text string) (c train.Calendar, err error) {
	parts := strings.Split(text, "; ")
	at := strings.LastIndex(parts[0], " ")
	if c.Windows, err = train.ParseWindows(parts[0][:at]); err != nil {
		return c, err
	}
	c.Holidays = map[string]string{}
	for _, day := range parts[1:] {
		date, name, _ := strings.Cut(day, " ")
		c.Holidays[date] = name
	}
	c.Zone, err = time.LoadLocation(parts[0][at+1:])
	return c, err
}

var stackText = regexp.MustCompile(`^(\w+)(?: \((\w+)\))?: (.*)$`)

// stacks reads "web: princess prod; config (c): princess prod; search: qa! prod".
func (s *stage) stacks(text string) {
	s.cfg.Rules.Stacks, s.cfg.Fleets = nil, map[deploy.Target]Fleet{}
	for _, one := range strings.Split(text, "; ") {
		m := stackText.FindStringSubmatch(one)
		if m == nil {
			s.t.Fatalf("%q is no stack", one)
		}
		st := train.Stack{Name: m[1]}
		if m[2] != "" {
			st.Aliases = []string{m[2]}
		}
		for i, name := range strings.Fields(m[3]) {
			name, external := strings.CutSuffix(name, "!")
			name, confirm := strings.CutSuffix(name, "?")
			st.Stages = append(st.Stages, train.Stage{Name: name, External: external, Confirm: confirm})
			f := Fleet{Branch: "main", Hosts: []string{"web1", "web2"}, Check: i > 0}
			if i == 0 {
				f.Hosts, f.Test = []string{"princess1"}, true
			}
			s.cfg.Fleets[deploy.Target{Stack: st.Name, Stage: name}] = f
		}
		s.cfg.Rules.Stacks = append(s.cfg.Rules.Stacks, st)
	}
}

// event plays what happens in the channel and on the server.
func (s *stage) event(text string) error {
	switch text {
	case "pushbot goes offline":
		s.see(irc.Offline{Retry: time.Second})
		s.online = false
		return nil
	case "pushbot comes online":
		s.comeOnline()
		return nil
	case "pushbot restarts":
		s.stop()
		if err := s.store.Close(); err != nil {
			return err
		}
		if err := s.start(); err != nil {
			return err
		}
		s.comeOnline()
		return nil
	case "pushbot is killed, and starts":
		synctest.Wait()
		journal := filepath.Join(s.dir, "journal.db")
		left, err := os.ReadFile(journal)
		if err != nil {
			return err
		}
		s.stop()
		if err := errors.Join(s.store.Close(), os.WriteFile(journal, left, 0o600), s.start()); err != nil {
			return err
		}
		s.comeOnline()
		return nil
	case "pushbot stops":
		s.stop()
		return s.store.Close()
	case "pushbot starts":
		if err := s.start(); err != nil {
			return err
		}
		s.comeOnline()
		return nil
	case "the channel empties":
		s.chat.set(func() { s.chat.topic, s.chat.by = "", "" })
		return nil
	case "+t without op":
		s.chat.set(func() { s.chat.locked = true })
		return nil
	case "pushbot is opped":
		s.chat.set(func() { s.chat.locked = false })
		s.see(irc.Rights{Op: true, TopicLock: true})
		return nil
	case "the link is busy":
		s.chat.setBusy(true)
		return nil
	case "the link is free":
		s.chat.setBusy(false)
		time.Sleep(250 * time.Millisecond)
		return nil
	case "the echo waits":
		s.chat.set(func() { s.chat.held = true })
		return nil
	case "the echo comes":
		s.chat.release()
		return nil
	}
	if n, ok := strings.CutPrefix(text, "the server cuts topics at "); ok {
		bytes, err := strconv.Atoi(n)
		s.chat.set(func() { s.chat.cut = bytes })
		return err
	}
	if n, ok := strings.CutSuffix(text, " people say .join"); ok {
		n, err := strconv.Atoi(n)
		for i := range n {
			s.see(irc.Said{From: s.here(fmt.Sprintf("p%03d", i)), Text: ".join"})
		}
		return err
	}
	nick, what, _ := strings.Cut(text, " ")
	return s.deed(nick, what)
}

// deed plays what a person does beside speaking.
func (s *stage) deed(nick, what string) error {
	out := func() irc.Who {
		who := s.here(nick)
		s.members = slices.DeleteFunc(s.members, func(m irc.Who) bool { return m.Nick == nick })
		return who
	}
	arg := func(prefix string) (string, bool) {
		return strings.CutPrefix(what, prefix)
	}
	if text, ok := arg("sets topic: "); ok || what == "clears the topic" {
		text = strings.ReplaceAll(text, "^C", "\x03")
		if !ok {
			text = ""
		}
		who := irc.Who{Nick: nick}
		if s.online {
			who = s.here(nick)
		}
		s.chat.set(func() { s.chat.topic, s.chat.by = text, nick })
		s.see(irc.Topic{Text: text, By: who, Exists: text != ""})
		return nil
	}
	if to, ok := arg("is now known as "); ok {
		who := s.here(nick)
		s.see(irc.Renamed{Who: who, To: to})
		i := slices.IndexFunc(s.members, func(m irc.Who) bool { return m.Nick == nick })
		who.Nick = to
		s.members[i], s.known[to] = who, who
		delete(s.known, nick)
		return nil
	}
	if account, ok := arg("logs in as "); ok {
		old := s.here(nick)
		who := old
		who.Account = account
		s.members[slices.Index(s.members, old)], s.known[nick] = who, who
		s.see(irc.Identified{Old: old, New: who})
		return nil
	}
	switch what {
	case "joins", "joins from elsewhere":
		who := s.person(nick)
		if what != "joins" {
			who.User, who.Host, who.Account = "x", "elsewhere.example", ""
			s.known[nick] = who
		}
		s.members = append(s.members, who)
		s.see(irc.Joined{Who: who})
	case "quits":
		s.see(irc.Left{Who: out(), How: irc.Quit})
	case "parts":
		s.see(irc.Left{Who: out(), How: irc.Parted})
	default:
		return fmt.Errorf("nobody can do that")
	}
	return nil
}
