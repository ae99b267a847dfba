package irc

import (
	"fmt"
	"strings"
	"testing"

	"pushtrain/bot/irc/irctest"
	"pushtrain/bot/ircd"
	"pushtrain/train"
)

// servers are the two that every story below is told to.
func servers(t *testing.T, story func(t *testing.T, addr string)) {
	t.Run("ircd", func(t *testing.T) {
		story(t, listen(t, ircd.Options{}).Addr())
	})
	t.Run("ngircd", func(t *testing.T) {
		story(t, irctest.Ngircd(t, irctest.Options{}).Addr())
	})
}

func TestOnline(t *testing.T) {
	servers(t, func(t *testing.T, addr string) {
		alice := irctest.Dial(t, addr, "alice")
		alice.Join("#push")
		alice.Send("TOPIC #push :bob + carol")
		alice.Send("MODE #push +t")
		alice.Sync()

		r := open(t, addr)
		got := next[Online](r, nil)
		if got.Nick != "bot" || !strings.HasPrefix(got.Prefix, "bot!~bot@") {
			t.Errorf("own names: %q, %q", got.Nick, got.Prefix)
		}
		if got.Casemap != train.ASCII || got.TopicLen < 300 {
			t.Errorf("limits: %+v", got)
		}
		if got.Op || !got.TopicLock || got.Accounts {
			t.Errorf("rights: %+v", got)
		}
		if len(got.Members) != 2 || got.Members[0].Nick != "alice" || !got.Members[0].Op ||
			got.Members[0].User == "" || got.Members[0].Host == "" || got.Members[1].Nick != "bot" {
			t.Errorf("members: %+v", got.Members)
		}
		topic := next[Topic](r, nil)
		if topic.Text != "bob + carol" || !topic.OnJoin || !topic.Exists || topic.By.Nick != "alice" {
			t.Errorf("topic: %+v", topic)
		}
		r.link.SetTopic("mine")
		if refused := next[Refused](r, nil); refused.Code != 482 || refused.Command != "TOPIC" {
			t.Errorf("refused: %+v", refused)
		}
		alice.Send("MODE #push +o bot")
		if rights := next[Rights](r, nil); !rights.Op || !rights.TopicLock {
			t.Errorf("rights: %+v", rights)
		}
		r.link.SetTopic("mine")
		if topic := next[Topic](r, nil); topic.Text != "mine" || !topic.Own || topic.OnJoin {
			t.Errorf("own topic: %+v", topic)
		}
		alice.Send("TOPIC #push :")
		if topic := next[Topic](r, nil); topic.Text != "" || topic.Own || topic.Exists || topic.By.Nick != "alice" {
			t.Errorf("cleared topic: %+v", topic)
		}
		alice.Send("MODE #push -o bot")
		if rights := next[Rights](r, nil); rights.Op {
			t.Errorf("rights: %+v", rights)
		}
		r.link.Say(Urgent, "last words")
		r.stop()
		alice.Expect(`^:bot!\S+ PRIVMSG #push :last words`)
		alice.Expect(`^:bot!\S+ QUIT :.*going home`)
	})
}

func TestEmptyChannel(t *testing.T) {
	servers(t, func(t *testing.T, addr string) {
		r := open(t, addr)
		if got := next[Online](r, nil); !got.Op || len(got.Members) != 1 {
			t.Errorf("alone: %+v", got)
		}
		if topic := next[Topic](r, nil); topic.Exists || !topic.OnJoin || topic.Text != "" {
			t.Errorf("topic: %+v", topic)
		}
	})
}

func TestPeople(t *testing.T) {
	servers(t, func(t *testing.T, addr string) {
		r := open(t, addr)
		next[Online](r, nil)
		alice := irctest.Dial(t, addr, "alice")
		alice.Join("#push")
		if e := next[Joined](r, nil); e.Who.Nick != "alice" || e.Who.Host == "" {
			t.Errorf("joined: %+v", e)
		}
		alice.Send("NOTICE #push :a notice")
		alice.Say("#push", "\x01ACTION waves\x01")
		alice.Say("bot", "\x01VERSION\x01")
		alice.Say("#push", ".join")
		if e := next[Said](r, nil); e.Text != ".join" || e.Private || e.From.Nick != "alice" {
			t.Errorf("said: %+v", e)
		}
		alice.Say("bot", ".queue")
		if e := next[Said](r, nil); e.Text != ".queue" || !e.Private {
			t.Errorf("said: %+v", e)
		}
		r.link.Notice(Chatter, "alice", "here you are")
		alice.ExpectFunc(irctest.Patience, "the notice", func(line string) bool {
			if strings.Contains(line, "VERSION") {
				t.Errorf("the bot answered CTCP: %q", line)
			}
			return strings.Contains(line, "here you are")
		})
		alice.Send("NICK alice_away")
		if e := next[Renamed](r, nil); e.Who.Nick != "alice" || e.To != "alice_away" || e.Own {
			t.Errorf("renamed: %+v", e)
		}
		alice.Send("PART #push :lunch")
		if e := next[Left](r, nil); e.Who.Nick != "alice_away" || e.How != Parted || !strings.Contains(e.Reason, "lunch") {
			t.Errorf("left: %+v", e)
		}
		alice.Join("#push")
		next[Joined](r, nil)
		alice.Send("QUIT :home")
		if e := next[Left](r, nil); e.How != Quit || !strings.Contains(e.Reason, "home") {
			t.Errorf("left: %+v", e)
		}
	})
}

func TestSpeaking(t *testing.T) {
	servers(t, func(t *testing.T, addr string) {
		alice := irctest.Dial(t, addr, "alice")
		alice.Join("#push")
		r := open(t, addr)
		next[Online](r, nil)
		r.link.Notice(Chatter, "alice", "one\r\nQUIT :two\x00")
		if got := alice.Expect(`^:bot!\S+ NOTICE alice :(.*)`)[1]; got != "one  QUIT :two" {
			t.Errorf("notice: %q", got)
		}
		words := strings.TrimSpace(strings.Repeat("é is one rune of two bytes ", 60))
		r.link.Say(Urgent, words)
		var heard string
		for heard != words {
			got := alice.Expect(`^(:bot!\S+ PRIVMSG #push :(.*))`)
			if len(got[1]) > lineLimit {
				t.Fatalf("a line of %d bytes", len(got[1]))
			}
			if heard = strings.TrimSpace(heard + " " + got[2]); !strings.HasPrefix(words, heard) {
				t.Fatalf("heard %q", heard)
			}
		}
	})
}

// TestTopicLengths sets topics of all lengths around the limits: the server
// must never close the link, and must keep what the bot believes it keeps.
func TestTopicLengths(t *testing.T) {
	servers(t, func(t *testing.T, addr string) {
		r := open(t, addr)
		online := next[Online](r, nil)
		limit := TopicLimit(online.TopicLen, online.Prefix, "#push")
		for _, n := range []int{1, limit - 1, limit, limit + 1, limit + 2, 512, 2000} {
			text := strings.Repeat("é", n)[:n&^1]
			r.link.SetTopic(text)
			topic := next[Topic](r, func(e Topic) bool { return !e.OnJoin })
			if want := clip(text, limit); topic.Text != want {
				t.Errorf("a topic of %d bytes: the server has %d, want %d", n, len(topic.Text), len(want))
			}
		}
	})
}

func TestNickTakenAndRegained(t *testing.T) {
	servers(t, func(t *testing.T, addr string) {
		first := irctest.Dial(t, addr, "bot")
		second := irctest.Dial(t, addr, "bot_")
		first.Join("#push")
		r := open(t, addr)
		if got := next[Online](r, nil); got.Nick != "bot__" {
			t.Fatalf("nick %q, want bot__", got.Nick)
		}
		second.Sync()
		first.Send("QUIT")
		if e := next[Renamed](r, nil); e.To != "bot" || !e.Own {
			t.Errorf("renamed: %+v", e)
		}
	})
}

func TestKicked(t *testing.T) {
	servers(t, func(t *testing.T, addr string) {
		alice := irctest.Dial(t, addr, "alice")
		alice.Join("#push")
		r := open(t, addr)
		next[Online](r, nil)
		alice.Send("KICK #push bot :out with you")
		r.link.Say(Urgent, "after the kick")
		if e := next[Offline](r, nil); !strings.Contains(e.Err.Error(), "kicked from #push by alice: out with you") || e.Retry <= 0 {
			t.Errorf("offline: %+v", e)
		}
		next[Online](r, nil)
		alice.Expect(`PRIVMSG #push :after the kick`)

		alice.Send("MODE #push +k sesame")
		alice.Send("KICK #push bot :again")
		next[Offline](r, nil)
		if e := next[Offline](r, nil); !strings.Contains(e.Err.Error(), "475") {
			t.Errorf("offline: %+v", e)
		}
		alice.Send("MODE #push -k sesame")
		next[Online](r, nil)
	})
}

func TestServerDies(t *testing.T) {
	server := irctest.Ngircd(t, irctest.Options{})
	r := open(t, server.Addr())
	next[Online](r, nil)
	server.Kill()
	r.link.Say(Urgent, "the outcome")
	r.link.SetTopic("a + b")
	next[Offline](r, nil)
	server.Restart()
	alice := irctest.Dial(t, server.Addr(), "alice")
	alice.Join("#push")
	next[Online](r, nil)
	alice.Expect(`PRIVMSG #push :the outcome`)
	server.Stop()
	if e := next[Offline](r, nil); !strings.Contains(e.Err.Error(), "the server closed the link") {
		t.Errorf("offline: %v", e.Err)
	}
}

// TestPenalties sends more than ngircd takes at once: it comes out in order,
// with only the newest topics, and the link holds.
func TestPenalties(t *testing.T) {
	server := irctest.Ngircd(t, irctest.Options{Penalty: true})
	alice := irctest.Dial(t, server.Addr(), "alice")
	alice.Join("#push")
	alice.Send("MODE #push +o bot")
	r := open(t, server.Addr())
	next[Online](r, nil)
	alice.Send("MODE #push +o bot")
	for i := range 100 {
		r.link.SetTopic(fmt.Sprintf("topic %d", i))
	}
	for i := range 8 {
		r.link.Say(Chatter, fmt.Sprintf("chatter %d", i))
	}
	r.link.Say(Urgent, "urgent")
	var topics, chatter int
	for chatter < 8 {
		switch e := alice.Expect(`^:bot!\S+ (TOPIC|PRIVMSG) #push :(\S+) ?(\S*)`); e[2] {
		case "topic":
			topics++
		case "chatter":
			if e[3] != fmt.Sprint(chatter) {
				t.Errorf("chatter %s, want %d", e[3], chatter)
			}
			chatter++
		}
	}
	if topics > 5 {
		t.Errorf("%d TOPIC lines for a burst", topics)
	}
}

// TestNetwork: servers of a network refuse the second topic in a second. They know bots:
// the bot is marked as one, and hears no other.
func TestNetwork(t *testing.T) {
	n := irctest.Inspircd(t, irctest.NetworkOptions{})
	r := open(t, n.Addr(0))
	next[Online](r, nil)
	alice := irctest.Dial(t, n.Addr(0), "alice")
	alice.Join("#push")
	alice.Send("WHOIS bot")
	alice.Expect(` 335 alice bot `)
	alice.Send("MODE alice +B")
	alice.Say("#push", "by a bot")
	alice.Send("MODE alice -B")
	alice.Say("#push", "by a person")
	if e := next[Said](r, nil); e.Text != "by a person" {
		t.Errorf("said: %+v", e)
	}
	for i := range 6 {
		text := fmt.Sprintf("topic %d", i)
		r.link.SetTopic(text)
		if i%2 == 1 {
			next(r, func(e Topic) bool { return e.Text == text })
		}
	}
}

// TestReplay: a server that tells a newcomer what was said before tells no commands.
func TestReplay(t *testing.T) {
	t.Parallel()
	n := irctest.Inspircd(t, irctest.NetworkOptions{})
	alice := irctest.Dial(t, n.Addr(0), "alice")
	alice.Join("#push")
	alice.Send("MODE #push +H 10:1h")
	alice.Say("#push", ".join of before")
	alice.Sync()
	bob := irctest.Dial(t, n.Addr(0), "bob")
	bob.Join("#push")
	bob.Expect(`^:alice!\S+ PRIVMSG #push :\.join of before$`) // it is repeated
	r := open(t, n.Addr(0))
	next[Online](r, nil)
	alice.Expect(`^:bot!\S+ JOIN `)
	alice.Say("#push", ".join of now")
	if e := next[Said](r, nil); e.Text != ".join of now" {
		t.Errorf("said: %+v", e)
	}
}

// TestHand: a line with a receipt is acknowledged, others are not.
func TestHand(t *testing.T) {
	server := irctest.Ngircd(t, irctest.Options{})
	r := open(t, server.Addr())
	next[Online](r, nil)
	alice := irctest.Dial(t, server.Addr(), "alice")
	alice.Join("#push")
	next[Joined](r, nil)
	r.link.Notice(Urgent, "alice", "no receipt")
	r.link.Hand("alice", "secret", 7)
	alice.Expect(`NOTICE alice :secret$`)
	if e := next[Delivered](r, nil); e.Receipt != 7 {
		t.Errorf("delivered: %+v", e)
	}
}
