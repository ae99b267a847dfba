package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pushtrain/bot"
	"pushtrain/bot/irc/irctest"
)

// queueConfig is a bot whose stacks are never rolled out.
func queueConfig(t testing.TB, addr, state string) Config {
	return mustConfig(t, configText(addr, "#push", state, "",
		stackText{name: "web", repo: "/nowhere.git", root: "/srv/web", princess: "p1", prod: "w1"}))
}

// TestHundredJoins: a hundred people join within a second on an ngircd with its
// own penalties. All of them are aboard, in few lines, and the link stays up.
func TestHundredJoins(t *testing.T) {
	r := hundredJoins(t)
	t.Logf("topic right after %.1f s, %d TOPIC lines, %d other lines", r.right.Seconds(), r.topics, r.others)
	if r.topics > 5 || r.others > 10 {
		t.Errorf("%d TOPIC lines and %d other lines, want at most 5 and 10", r.topics, r.others)
	}
}

type burst struct {
	right          time.Duration // until the topic said it
	topics, others int           // lines of the bot
}

func hundredJoins(t testing.TB) burst {
	server := irctest.Ngircd(t, irctest.Options{Penalty: true})
	watcher := irctest.Dial(t, server.Addr(), "watcher")
	watcher.Join("#push")
	watcher.Send("MODE #push -t")
	cfg := queueConfig(t, server.Addr(), t.TempDir())
	startBot(t, cfg)
	var people []*irctest.Client
	for i := range 100 {
		p := irctest.Dial(t, server.Addr(), fmt.Sprintf("p%03d", i))
		p.Send("JOIN #push")
		people = append(people, p)
	}
	for _, p := range people {
		p.Expect(` 366 `)
	}
	watcher.Sync()

	start := time.Now()
	for _, p := range people {
		p.Say("#push", ".join")
	}
	if took := time.Since(start); took > time.Second {
		t.Fatalf("the hundred words took %v to say", took)
	}
	var b burst
	// 100 riders: one at the head, then eights. The topic shows whole trains and counts the rest.
	line := watcher.ExpectFunc(60*time.Second, "a topic that shows or counts 100 riders", func(line string) bool {
		if strings.Contains(line, " TOPIC #push ") {
			b.topics++
			return riders(line) == 100
		}
		if strings.HasPrefix(line, ":pushbot!") && strings.Contains(line, " PRIVMSG #push ") {
			b.others++
		}
		return false
	})
	b.right = time.Since(start)
	if !strings.Contains(line, "… +") {
		t.Errorf("a topic of 100 riders is not shortened: %s", line)
	}
	// What the bot still had to say, and what it told people alone.
	asker := joined(t, server.Addr(), "asker")
	asker.Say("#push", ".queue")
	asker.ExpectIn(60*time.Second, `NOTICE asker :\d+ trains, 100 riders`)
	for _, l := range watcher.Sync() {
		switch {
		case strings.Contains(l, " TOPIC #push "):
			b.topics++
		case strings.HasPrefix(l, ":pushbot!") && strings.Contains(l, " PRIVMSG #push "):
			b.others++
		case strings.Contains(l, " QUIT ") && strings.HasPrefix(l, ":pushbot!"):
			t.Fatalf("the bot's link ended: %s", l)
		}
	}
	for _, p := range people {
		p.Send("PING :end")
	}
	for _, p := range people {
		p.ExpectFunc(60*time.Second, "the last PONG", func(l string) bool {
			if strings.HasPrefix(l, ":pushbot!") && strings.Contains(l, " NOTICE p") {
				b.others++
			}
			return strings.Contains(l, " PONG ")
		})
	}
	return b
}

// riders counts the riders that a topic shows or hides.
func riders(line string) int {
	_, text, _ := strings.Cut(line[1:], " :")
	n := 0
	if i := strings.Index(text, "… +"); i >= 0 {
		fmt.Sscanf(text[i:], "… +%d", &n)
		text = text[:i]
	}
	for _, segment := range strings.Split(text, "|") {
		for _, r := range strings.Split(segment, "+") {
			if strings.TrimSpace(r) != "" {
				n++
			}
		}
	}
	return n
}

// TestServerTrouble: after a kick, a kill of the server and a restart of the bot
// the queue is what it was, and the topic says so.
func TestServerTrouble(t *testing.T) {
	server := irctest.Ngircd(t, irctest.Options{})
	state := t.TempDir()
	cfg := queueConfig(t, server.Addr(), state)
	boss := joined(t, server.Addr(), "boss") // the first in the channel is its operator
	stop := startBot(t, cfg)
	alice, bob := joined(t, server.Addr(), "alice"), joined(t, server.Addr(), "bob")
	alice.Say("#push", ".join")
	topic(boss, "alice")
	bob.Say("#push", ".join")
	topic(boss, "alice | bob")

	boss.Send("KICK #push pushbot :out")
	boss.Expect(`JOIN :?#push`)
	alice.Say("#push", `.message "slush"`)
	topic(boss, `alice | bob !! "slush"`)

	server.Kill()
	server.Restart()
	carol := irctest.Dial(t, server.Addr(), "carol")
	carol.Join("#push")
	topicAfterReturn(carol, `alice | bob !! "slush"`)
	carol.Say("#push", ".join")
	topic(carol, `alice | bob + carol !! "slush"`)

	stop()
	carol.Send("TOPIC #push :bob + carol | dave") // a person wins while the bot is away
	startBot(t, cfg)
	topic(carol, "bob + carol | dave")
	secondIsRefused(t, cfg)
	carol.Say("#push", ".leave")
	topic(carol, "bob | dave")
}

// TestFrozenServer: a server that stops answering for a minute costs nobody their seat.
func TestFrozenServer(t *testing.T) {
	t.Parallel()
	server := irctest.Ngircd(t, irctest.Options{})
	cfg := queueConfig(t, server.Addr(), t.TempDir())
	startBot(t, cfg)
	alice := joined(t, server.Addr(), "alice")
	alice.Say("#push", ".join")
	topic(alice, "alice")
	server.Freeze()
	frozen := time.Now()
	online := func() bool {
		answer := ""
		if _, err := bot.Call(t.Context(), cfg.StateDir, bot.Request{Do: "status"}, func(r bot.Reply) { answer += r.Line + "\n" }); err != nil {
			t.Fatal(err)
		}
		return !strings.Contains(answer, "irc: not in the channel")
	}
	await(t, 90*time.Second, "the bot to give the frozen server up", func() bool { return !online() })
	await(t, 90*time.Second, "a minute to pass", func() bool { return time.Since(frozen) > time.Minute })
	server.Thaw()
	await(t, 90*time.Second, "the bot to come back", online)
	carol := joined(t, server.Addr(), "carol")
	carol.Say("#push", ".join")
	topic(carol, "alice | carol")
}

// await polls until ok, four times a second.
func await(t testing.TB, patience time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	over := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// topicAfterReturn waits for a topic that the bot writes when it is back, or that is there already.
func topicAfterReturn(c *irctest.Client, text string) {
	c.ExpectFunc(90*time.Second, "the topic "+text, func(line string) bool { return strings.HasSuffix(line, " :"+text) })
}

// secondIsRefused: a second bot on the same state does not come up.
func secondIsRefused(t *testing.T, cfg Config) {
	t.Helper()
	_, err := openStore(cfg)
	if err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("a second bot on the same state: %v", err)
	}
}

// TestNoRightToTopic: under +t without op the bot says so once, keeps the queue,
// and writes it as soon as it can.
func TestNoRightToTopic(t *testing.T) {
	server := irctest.Ngircd(t, irctest.Options{})
	boss := joined(t, server.Addr(), "boss")
	boss.Send("MODE #push +t")
	startBot(t, queueConfig(t, server.Addr(), t.TempDir()))
	boss.Expect(`PRIVMSG #push :I can't set the topic`)
	alice := joined(t, server.Addr(), "alice")
	alice.Say("#push", ".join")
	alice.Expect(`NOTICE alice :you're up`)
	for _, l := range boss.Sync() {
		if strings.Contains(l, "I can't set the topic") {
			t.Errorf("said twice: %s", l)
		}
	}
	boss.Send("MODE #push +o pushbot")
	topic(boss, "alice")
}
