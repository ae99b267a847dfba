package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"pushtrain/bot"
	"pushtrain/bot/irc"
	"pushtrain/bot/store"
	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/train"
)

// This file is the bot of the fault tests: this test program run once more, a real
// bot over a real fleet, that tells of every point which it passes and stops at one.
//
// A point is named by what happens there, on which host, in which moment, and how
// often that has been since it was last armed:
//
//	record/deploy.Fenced/host-3/before#1   the record is about to be written
//	record/deploy.Fenced/host-3/after#1    it is on disk, nothing of it is done
//	deed/flip/host-3/before#2              the deed is about to be done
//	deed/flip/host-3/done#2                it is done, and its answer not given
//
// The answer of a deed is given where its record is about to be written.

// pointsEnv makes this program such a bot; its value is the point to stop at, or "-".
const pointsEnv = "PUSHTRAIN_POINTS"

// points tells its parent what is passed: lines on file 3. Orders come on file 4.
type points struct {
	mu    sync.Mutex
	out   *os.File
	armed string
	count map[string]int
	goOn  chan struct{}
	book  deploy.Book    // of the records that are on disk
	asked map[string]int // deeds that these ask for and that were not begun
}

// asks is what a deed is called in points.asked.
func asks(rollout uint64, e deploy.Effect) string {
	kind, host := deploy.Names(e)
	return fmt.Sprintf("%s of rollout %d, %s", kind, rollout, host)
}

// written takes in a record that is on disk; p.mu is held.
func (p *points) written(in deploy.Input) {
	next, effects, err := p.book.Apply(in)
	if err != nil {
		p.tell("early " + err.Error()) // unreachable: the bot has applied it before
		return
	}
	p.book = next
	if _, ok := in.Event.(deploy.Start); ok {
		in.ID = next.Last
	}
	for _, e := range effects {
		p.asked[asks(in.ID, e)]++
	}
}

// begin notes a deed; one that no record on disk has asked for comes too early.
func (p *points) begin(rollout uint64, e deploy.Effect) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := asks(rollout, e)
	if p.asked[name]--; p.asked[name] < 0 {
		p.tell("early " + name)
	}
}

// arm starts the count anew.
func (p *points) arm(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed, p.count = name, map[string]int{}
	p.tell("armed")
}

func (p *points) tell(line string) { fmt.Fprintln(p.out, line) }

// pass passes a point, or waits there for the parent if it is the armed one.
func (p *points) pass(name string) {
	p.mu.Lock()
	p.count[name]++
	name = fmt.Sprintf("%s#%d", name, p.count[name])
	stop := name == p.armed
	p.tell(name)
	if stop {
		p.tell("!" + name)
	}
	p.mu.Unlock()
	if stop {
		<-p.goOn
	}
}

// record is the points of one record; see bot.Config.Trace.
func (p *points) record(rec store.Record, written bool) {
	name, host := "record/"+rec.Kind+"."+rec.Type, ""
	in, err := deploy.Unmarshal(rec.Body)
	if rec.Kind == "deploy" && err == nil {
		if v := reflect.ValueOf(in.Event).FieldByName("Host"); v.IsValid() && v.String() != "" {
			host = "/" + v.String()
		}
	}
	if !written {
		p.pass(name + host + "/before")
		return
	}
	p.mu.Lock()
	p.tell(fmt.Sprintf("acked %d", rec.Seq))
	if rec.Kind == "deploy" && err == nil {
		p.written(in)
	}
	p.mu.Unlock()
	p.pass(name + host + "/after")
}

// stopping is a fleet whose deeds are points.
type stopping struct {
	*fleet.Fleet
	points *points
}

func (s stopping) Do(ctx context.Context, r deploy.Rollout, e deploy.Effect, out func(fleet.Line)) deploy.Event {
	kind, host := deploy.Names(e)
	name := "deed/" + string(kind)
	if host != "" {
		name += "/" + host
	}
	s.points.begin(r.ID, e)
	s.points.pass(name + "/before")
	answer := s.Fleet.Do(ctx, r, e, out)
	s.points.pass(name + "/done")
	return answer
}

// scriptedRoom is the channel of such a bot: a topic that is read back, and people who
// are what the parent orders.
type scriptedRoom struct{ events chan irc.Event }

func (r scriptedRoom) SetTopic(text string) {
	r.events <- irc.Topic{Text: text, By: irc.Who{Nick: "pushbot"}, Own: true, Exists: true}
}
func (scriptedRoom) Say(irc.Priority, string)            {}
func (scriptedRoom) Notice(irc.Priority, string, string) {}
func (scriptedRoom) Hand(string, string, int)            {}
func (scriptedRoom) Waiting() int                        { return 0 }

// order carries out one line of the parent: arm POINT, go, online, say NICK TEXT,
// join NICK, topic NICK TEXT, nick OLD NEW, host NICK HOST, delivered, part NICK.
func (r scriptedRoom) order(p *points, line string) {
	word, rest, _ := strings.Cut(line, " ")
	nick, text, _ := strings.Cut(rest, " ")
	person := func(nick string) irc.Who { // carol and caz are one
		return irc.Who{Nick: nick, User: nick[:min(1, len(nick))], Host: "example"}
	}
	who := person(nick)
	switch word {
	case "arm":
		p.arm(rest)
	case "go":
		p.goOn <- struct{}{}
	case "online":
		on := irc.Online{Nick: "pushbot", Prefix: "pushbot!pb@example", Casemap: train.ASCII, TopicLen: 300}
		for _, nick := range []string{"pushbot", "alice", "bob", "carol"} {
			on.Members = append(on.Members, irc.Member{Who: person(nick)})
		}
		r.events <- on
		r.events <- irc.Topic{OnJoin: true}
	case "say":
		r.events <- irc.Said{From: who, Text: text}
	case "topic":
		r.events <- irc.Topic{Text: text, By: who, Exists: true}
	case "nick":
		r.events <- irc.Renamed{Who: who, To: text}
	case "host":
		moved := who
		moved.Host = text
		r.events <- irc.Identified{Old: who, New: moved}
	case "delivered":
		r.events <- irc.Delivered{Receipt: 1}
	case "join":
		r.events <- irc.Joined{Who: who}
	case "part":
		r.events <- irc.Left{Who: who}
	}
}

// stoppingBot is what this program does where pointsEnv is set: the configuration's bot, until a signal.
func stoppingBot(config string) error {
	cfg, err := loadConfigFile(config)
	if err != nil {
		return err
	}
	st, err := openStore(cfg)
	if err != nil {
		return err
	}
	defer st.Close()
	f, err := fleet.Open(fleetConfig(cfg))
	if err != nil {
		return err
	}
	defer f.Close()
	p := &points{out: os.NewFile(3, "points"), armed: os.Getenv(pointsEnv), count: map[string]int{}, goOn: make(chan struct{}), asked: map[string]int{}}
	kept, err := st.Snapshot("deploy")
	if err != nil {
		return err
	}
	if len(kept) > 0 {
		if err := json.Unmarshal(kept, &p.book); err != nil {
			return err
		}
	}
	room := scriptedRoom{make(chan irc.Event, 1024)}
	bc := botConfig(cfg, zerolog.New(os.Stderr).Level(zerolog.ErrorLevel), nil)
	bc.Trace = p.record
	b, err := bot.New(bc, st, room, stopping{f, p})
	if err != nil {
		return err
	}
	socket, err := bot.Listen(cfg.StateDir)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go b.Serve(ctx, socket) // these end with the process
	go b.Deliver(ctx, room.events)
	go func() {
		for lines := bufio.NewScanner(os.NewFile(4, "orders")); lines.Scan(); {
			room.order(p, lines.Text())
		}
	}()
	p.mu.Lock()
	p.tell("up")
	p.mu.Unlock()
	return b.Run(ctx)
}

// process is a stoppingBot as its parent sees it.
type process struct {
	cmd    *exec.Cmd
	orders *os.File
	up     chan struct{} // closed when it takes requests
	hit    chan string   // the armed point, when it waits there
	armed  chan struct{}
	gone   chan struct{} // closed when it has ended

	mu    sync.Mutex
	seen  []string // points passed since it was armed
	early []string // what it did before the record that asks for it was on disk
	acked uint64   // the newest record that it knows to be on disk
	err   error    // how it ended
}

// startProcess starts a bot that stops at a point; "" = at none.
func startProcess(t testing.TB, config, point string, stderr io.Writer) *process {
	t.Helper()
	if point == "" {
		point = "-"
	}
	out, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(os.Args[0], config), orders: inW,
		up: make(chan struct{}), hit: make(chan string, 1), armed: make(chan struct{}, 1), gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), pointsEnv+"="+point)
	p.cmd.ExtraFiles = []*os.File{outW, in}
	p.cmd.Stderr = stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	outW.Close()
	in.Close()
	go func() { // ends with the process: nobody else has the other end
		defer out.Close()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.heard(lines.Text())
		}
		err := p.cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		inW.Close()
		close(p.gone)
	}()
	return p
}

func (p *process) heard(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var seq uint64
	switch {
	case line == "up":
		close(p.up)
	case line == "armed":
		p.seen = nil
		p.armed <- struct{}{}
	case strings.HasPrefix(line, "!"):
		p.hit <- line[1:]
	case strings.HasPrefix(line, "early "):
		p.early = append(p.early, line[len("early "):])
	case strings.HasPrefix(line, "acked "):
		if _, err := fmt.Sscanf(line, "acked %d", &seq); err == nil {
			p.acked = max(p.acked, seq)
		}
	default:
		p.seen = append(p.seen, line)
	}
}

// tell gives an order; one that has ended hears nothing.
func (p *process) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(p.orders, format+"\n", args...)
}

// arm has the bot stop at a point from now on.
func (p *process) arm(point string) bool {
	p.tell("arm %s", point)
	select {
	case <-p.armed:
		return true
	case <-p.gone:
		return false
	}
}

// passed returns the points since the bot was armed.
func (p *process) passed() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.seen...)
}

// hasty returns what it did too early.
func (p *process) hasty() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.early) == 0 {
		return nil
	}
	return fmt.Errorf("begun before the record that asks for it was on disk: %v", p.early)
}

// dead reports whether it has ended.
func (p *process) dead() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// kill ends it at once, with all that it started.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.gone
}

// stop asks it to end.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.gone:
	case <-time.After(15 * time.Second):
		p.kill()
	}
}
