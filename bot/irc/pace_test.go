package irc

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// peer is a server at the other end of a pipe, inside a synctest bubble. It
// lets everybody in and answers PING until hold is called.
type peer struct {
	conn net.Conn
	mute bool   // says nothing at all, not even a welcome
	took string // a nick that somebody else has
	slow bool   // there is no end to its greeting
	old  bool   // it knows no CAP ...
	says string // ... and says this; "" = nothing
	late bool   // alice is there, and who she is it says when nobody waits for it any more
	nick string // the bot's

	limits bool          // from its greeting on, 10 commands at once are worked off, and one a second
	used   time.Duration // of that, at
	at     time.Time

	mu    sync.Mutex
	got   []string      // TOPIC, PRIVMSG, NOTICE and PING lines
	held  bool          // PING is not answered
	stall chan struct{} // not nil: nothing is read until it is closed
}

// bubble runs a link against peers; each dial makes a new one by the next of
// plans, the last one for all later dials.
func bubble(t *testing.T, plans []func(*peer), story func(t *testing.T, r *reader, peers func(i int) *peer)) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var all []*peer
		link := New(Config{Server: "test:6667", Nick: "bot", Channel: "#push"})
		link.dial = func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			mu.Lock()
			defer mu.Unlock()
			p := &peer{conn: theirs}
			plans[min(len(all), len(plans)-1)](p)
			all = append(all, p)
			go p.serve()
			return ours, nil
		}
		r := run(t, link)
		story(t, r, func(i int) *peer {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return all[i]
		})
		r.stop()
		for _, p := range all {
			_ = p.conn.Close()
		}
	})
}

func well(*peer) {}

func (p *peer) serve() {
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(p.conn); in.Scan(); lines <- in.Text() {
			p.mu.Lock()
			stall := p.stall
			p.mu.Unlock()
			if stall != nil {
				<-stall
				return
			}
		}
	}()
	for line := range lines {
		p.mu.Lock()
		held := p.held
		p.mu.Unlock()
		if p.limits && p.nick != "" {
			p.limit()
		}
		command, rest, _ := strings.Cut(line, " ")
		if p.mute {
			continue
		}
		switch command {
		case "CAP":
			switch {
			case p.old && p.says != "":
				p.send(p.says)
			case strings.HasPrefix(rest, "LS") && !p.old:
				p.send(":s CAP * LS :")
			}
		case "NICK":
			switch {
			case rest == p.took:
				p.note(line)
				p.send(":s 433 * " + rest + " :taken")
			case p.nick == "":
				p.nick = rest
				p.send(":s 001 "+rest+" :hi", ":s 005 "+rest+" CASEMAPPING=ascii TOPICLEN=390 :are supported by this server")
				if !p.slow {
					p.send(":s 422 " + rest + " :no MOTD")
				}
			}
		case "JOIN":
			names := "@" + p.nick
			if p.late {
				names += " alice"
			}
			p.send(":"+p.nick+"!b@h JOIN #push", ":s 353 x = #push :"+names, ":s 366 x #push :end")
		case "WHO":
			if p.late {
				time.Sleep(2 * listLimit)
				p.send(":s 352 x #push a h s alice H :0 Alice")
			}
			if rest != "#push" {
				p.note(line)
			}
			p.send(":s 315 x #push :end")
		case "PING":
			p.note(line)
			if !held {
				p.send(":s PONG s " + rest)
			}
		case "TOPIC", "PRIVMSG", "NOTICE":
			p.note(line)
		}
	}
}

// limit waits until the next command may be worked off.
func (p *peer) limit() {
	const most = 10 * time.Second
	p.used = max(0, p.used-time.Since(p.at))
	if wait := p.used - most; wait > 0 {
		time.Sleep(wait)
		p.used = most
	}
	p.used += time.Second
	p.at = time.Now()
}

func (p *peer) send(lines ...string) {
	for _, line := range lines {
		_, _ = io.WriteString(p.conn, line+"\r\n") // the link may have ended
	}
}

func (p *peer) note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, strings.Replace(line, " #push :", " ", 1))
}

// hold says whether PING is left unanswered from now on.
func (p *peer) hold(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = on
}

// heard returns the lines since the last call, without the channel.
func (p *peer) heard() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := p.got
	p.got = nil
	return lines
}

// said is heard without the PINGs.
func (p *peer) said() []string {
	return slices.DeleteFunc(p.heard(), func(line string) bool { return strings.HasPrefix(line, "PING") })
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// settle brings the link into the channel and forgets what that took.
func settle(r *reader, p *peer) {
	r.t.Helper()
	next[Topic](r, nil)
	p.heard()
}

func TestIdleLinkSendsAtOnce(t *testing.T) {
	bubble(t, []func(*peer){well}, func(t *testing.T, r *reader, peers func(int) *peer) {
		p := peers(0)
		settle(r, p)
		r.link.SetTopic("a + b")
		same(t, "at once", p.heard(), "TOPIC a + b", "PING :pushtrain-1")
	})
}

func TestWindow(t *testing.T) {
	bubble(t, []func(*peer){well}, func(t *testing.T, r *reader, peers func(int) *peer) {
		p := peers(0)
		settle(r, p)
		p.hold(true)
		r.link.SetTopic("one")
		same(t, "a free window", p.heard(), "TOPIC one", "PING :pushtrain-1")
		r.link.Say(Chatter, "c1")
		same(t, "no room for others", p.heard())
		r.link.SetTopic("two")
		r.link.SetTopic("three")
		r.link.Say(Chatter, "c2") // must not overtake the topic
		r.link.Say(Urgent, "u1")
		same(t, "room for what is urgent", p.heard(), "PRIVMSG u1")
		time.Sleep(10 * time.Second)
		r.link.Say(Urgent, "u2")
		same(t, "the last room", p.heard(), "PRIVMSG u2")
		r.link.Say(Urgent, "u3")
		r.link.Notice(Urgent, "alice", "u4")
		p.send(":s PONG s :other", ":s PONG s :pushtrain-7")
		same(t, "a PONG of somebody else's", p.heard())
		p.send(":s PONG s :pushtrain-1")
		same(t, "after the first PONG", p.heard(), "PRIVMSG u3", "NOTICE alice :u4", "PING :pushtrain-2")
		p.send(":s PONG s :pushtrain-2")
		same(t, "after the second", p.heard(), "TOPIC three", "PING :pushtrain-3")
		p.hold(false)
		p.send(":s PONG s :pushtrain-3")
		same(t, "while a server that was slow is given time", p.heard())
		time.Sleep(restMax)
		same(t, "in the end", p.heard(), "PRIVMSG c1", "PING :pushtrain-4", "PRIVMSG c2", "PING :pushtrain-5") // one by one
	})
}

// TestUrgentUnderLimits: however much there is to say, a server that works off a line
// a second soon has one that is urgent, and others get their turn.
func TestUrgentUnderLimits(t *testing.T) {
	bubble(t, []func(*peer){func(p *peer) { p.limits = true }}, func(t *testing.T, r *reader, peers func(int) *peer) {
		p := peers(0)
		settle(r, p)
		var took []time.Duration
		others, urgent := 0, time.Time{}
		for n := range 6000 { // of 50 ms
			r.link.Say(Chatter, "more")
			if n%20 == 0 {
				r.link.SetTopic(fmt.Sprint("topic ", n))
			}
			if urgent.IsZero() && n%137 == 0 {
				r.link.Say(Urgent, "urgent")
				urgent = time.Now()
			}
			time.Sleep(50 * time.Millisecond)
			for _, line := range p.said() {
				if line != "PRIVMSG urgent" {
					others++
					continue
				}
				took = append(took, time.Since(urgent))
				urgent = time.Time{}
			}
		}
		slices.Sort(took)
		t.Logf("%d urgent lines, after %v (p50), %v (most); %d others", len(took), took[len(took)/2], took[len(took)-1], others)
		if len(took) < 40 || took[len(took)/2] > time.Second || took[len(took)-1] > 3*time.Second || others < 60 {
			t.Errorf("%d urgent lines after %v (p50) and up to %v, %d others in 5 min", len(took), took[len(took)/2], took[len(took)-1], others)
		}
	})
}

// TestDeadLink: a PING without an answer ends the link after 30 s; what people
// must learn is said again on the next one, what is stale is not.
func TestDeadLink(t *testing.T) {
	bubble(t, []func(*peer){well, func(p *peer) { p.mute = true }, func(p *peer) { p.mute = true }, well},
		func(t *testing.T, r *reader, peers func(int) *peer) {
			p := peers(0)
			settle(r, p)
			p.hold(true)
			began := time.Now()
			r.link.Say(Urgent, "outcome")
			r.link.SetTopic("old")
			r.link.Say(Chatter, "stale")
			same(t, "before", p.said(), "PRIVMSG outcome", "TOPIC old")
			nextIn[Offline](r, time.Minute, nil)
			if after := time.Since(began); after != answerLimit {
				t.Errorf("offline after %v", after)
			}
			r.link.SetTopic("new")
			for range 2 { // registration takes its 30 s and fails
				if e := nextIn[Offline](r, time.Minute, nil); !strings.Contains(e.Err.Error(), "did not accept") {
					t.Errorf("offline: %v", e.Err)
				}
			}
			next[Online](r, nil)
			r.link.Say(Chatter, "fresh")
			p = peers(3)
			time.Sleep(time.Second)
			same(t, "on the next link", p.said(), "PRIVMSG outcome", "TOPIC new", "PRIVMSG fresh")
		})
}

func TestSilence(t *testing.T) {
	bubble(t, []func(*peer){well}, func(t *testing.T, r *reader, peers func(int) *peer) {
		p := peers(0)
		settle(r, p)
		time.Sleep(10*silenceLimit + time.Second)
		if got := p.heard(); len(got) != 10 {
			t.Errorf("a silent link: %q, want ten PINGs", got)
		}
		p.hold(true)
		began := time.Now()
		nextIn[Offline](r, time.Minute, nil)
		if after := time.Since(began); after > silenceLimit+answerLimit {
			t.Errorf("offline after %v", after)
		}
	})
}

// TestStalledWrite: a server that takes nothing more ends the link by the write
// deadline.
func TestStalledWrite(t *testing.T) {
	bubble(t, []func(*peer){well}, func(t *testing.T, r *reader, peers func(int) *peer) {
		p := peers(0)
		settle(r, p)
		stall := make(chan struct{})
		defer close(stall)
		p.mu.Lock()
		p.stall = stall
		p.mu.Unlock()
		began := time.Now()
		r.link.Say(Urgent, "taken") // the PING behind it is not
		e := nextIn[Offline](r, time.Minute, nil)
		if after := time.Since(began); after != writeLimit {
			t.Errorf("offline after %v: %v", after, e.Err)
		}
	})
}

// TestSlowReader: events that nobody reads hold the server back, and none is lost. A
// reader who never comes costs the link.
func TestSlowReader(t *testing.T) {
	const lines = 3 * pendingLimit
	for name, comes := range map[string]bool{"late": true, "never": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, []func(*peer){well}, func(t *testing.T, r *reader, peers func(int) *peer) {
				p := peers(0)
				settle(r, p)
				p.hold(!comes) // the PONG could not go either
				var sent atomic.Int32
				go func() {
					for i := range lines {
						p.send(fmt.Sprintf(":a!a@h PRIVMSG #push :%d", i))
						sent.Add(1)
					}
				}()
				synctest.Wait()
				if n := int(sent.Load()); n < pendingLimit || n > pendingLimit+inboxLimit+1 {
					t.Errorf("%d lines wait for the reader, want %d and what the session holds", n, pendingLimit)
				}
				kept := lines
				if !comes {
					time.Sleep(silenceLimit + answerLimit)
					kept = pendingLimit
				}
				for i := range kept {
					if e := next[Said](r, nil); e.Text != fmt.Sprint(i) {
						t.Fatalf("heard %s, want %d", e.Text, i)
					}
				}
				if !comes {
					next[Offline](r, nil)
				}
			})
		})
	}
}

// TestEndlessLine: a server that sends no end of line ends the link, not the memory.
func TestEndlessLine(t *testing.T) {
	bubble(t, []func(*peer){well}, func(t *testing.T, r *reader, peers func(int) *peer) {
		p := peers(0)
		settle(r, p)
		p.send(":a!a@h PRIVMSG #push :" + strings.Repeat("x", 8000))
		if e := next[Said](r, nil); len(e.Text) != 8000 {
			t.Errorf("heard %d bytes", len(e.Text))
		}
		go p.send(":a!a@h PRIVMSG #push :" + strings.Repeat("x", 2*maxLine))
		if e := next[Offline](r, nil); !strings.Contains(e.Err.Error(), "a line of more than") {
			t.Errorf("offline: %v", e.Err)
		}
		next[Online](r, nil)
	})
}

// TestTopicBurst: 100 changes in a second are a handful of TOPIC lines even on
// a server that answers at once, and the last one stands.
func TestTopicBurst(t *testing.T) {
	bubble(t, []func(*peer){well}, func(t *testing.T, r *reader, peers func(int) *peer) {
		p := peers(0)
		settle(r, p)
		for i := range 100 {
			r.link.SetTopic(fmt.Sprint(i))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(topicPeriod)
		var topics []string
		for _, line := range p.heard() {
			if text, ok := strings.CutPrefix(line, "TOPIC "); ok {
				topics = append(topics, text)
			}
		}
		if len(topics) > 5 || topics[0] != "0" || topics[len(topics)-1] != "99" {
			t.Errorf("topics: %q", topics)
		}
	})
}

// TestTakenNick asks for the nick each minute when its holder can't be seen.
func TestTakenNick(t *testing.T) {
	bubble(t, []func(*peer){func(p *peer) { p.took = "bot" }}, func(t *testing.T, r *reader, peers func(int) *peer) {
		if got := next[Online](r, nil); got.Nick != "bot_" || got.Prefix != "bot_!b@h" {
			t.Errorf("online: %+v", got)
		}
		p := peers(0)
		same(t, "at first", p.said(), "NICK bot")
		time.Sleep(3*regainPause - time.Second)
		same(t, "later", p.said(), "NICK bot", "NICK bot")
		p.send(":bot_!b@h NICK bot")
		if e := next[Renamed](r, nil); !e.Own || e.To != "bot" {
			t.Errorf("renamed: %+v", e)
		}
		time.Sleep(2 * regainPause)
		same(t, "in the end", p.said())
	})
}

// TestJoinStorm: a netjoin and a flood of CTCP cost the bot no line of its own.
func TestJoinStorm(t *testing.T) {
	bubble(t, []func(*peer){well}, func(t *testing.T, r *reader, peers func(int) *peer) {
		p := peers(0)
		settle(r, p)
		for i := range 40 {
			p.send(fmt.Sprintf(":u%d!u@h JOIN #push", i), fmt.Sprintf(":u%d!u@h PRIVMSG bot :\x01VERSION\x01", i))
		}
		next(r, func(e Joined) bool { return e.Who.Nick == "u39" })
		same(t, "a storm", p.heard())
	})
}

// TestNoEndOfGreeting: the bot joins when the MOTD has ended, or when it has
// waited long enough for that.
func TestNoEndOfGreeting(t *testing.T) {
	bubble(t, []func(*peer){func(p *peer) { p.slow = true }}, func(t *testing.T, r *reader, peers func(int) *peer) {
		began := time.Now()
		next[Online](r, nil)
		if after := time.Since(began); after != greetingLimit {
			t.Errorf("in the channel after %v, want %v", after, greetingLimit)
		}
	})
}

func TestBackoff(t *testing.T) {
	var b backoff
	for i, limit := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if got := b.next(); got > limit*time.Second || got < limit*time.Second*3/4 {
			t.Errorf("wait %d: %v, want about %v", i, got, limit*time.Second)
		}
	}
	if b.reset(); b.next() > time.Second {
		t.Error("a reset did not reset")
	}
	var first, second backoff
	if one, other := first.next(), second.next(); one == other {
		t.Errorf("two bots come back at one moment, after %v", one)
	}
}

// TestLateWho: who somebody is, is told when the server says it, however late.
func TestLateWho(t *testing.T) {
	bubble(t, []func(*peer){func(p *peer) { p.late = true }}, func(t *testing.T, r *reader, _ func(int) *peer) {
		alice := Who{Nick: "alice"}
		if e := next[Online](r, nil); !slices.ContainsFunc(e.Members, func(m Member) bool { return m.Who == alice }) {
			t.Errorf("members %+v", e.Members)
		}
		want := Identified{Old: alice, New: Who{Nick: "alice", User: "a", Host: "h"}}
		if got := next[Identified](r, nil); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}
