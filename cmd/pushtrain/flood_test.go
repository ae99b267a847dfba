package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pushtrain/bot/irc/irctest"
	"pushtrain/bot/ircd"
)

var floodFor = flag.Duration("flood", 20*time.Second, "how long TestFlood floods the bot")

const (
	flooders  = 200
	floodRate = 10_000 // lines a second
)

// TestFlood: 200 people say 10,000 lines a second, much of it commands, and come, go
// and change nicks. The driver's `.abort` stops a rollout within two seconds, the bot
// does not leave, its memory stays bounded, and it knows who is who.
func TestFlood(t *testing.T) {
	t.Parallel()
	r := newLocalRig(t)
	watcher := joined(t, r.server.Addr(), "watcher")
	bot := exec.Command(program(t), "run", "-q", "-c", r.config) // the race detector would have it wait ten times as long
	bot.Stderr = os.Stderr
	bot.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := bot.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func() {
		if ended {
			return
		}
		ended = true
		_ = bot.Process.Signal(syscall.SIGTERM)
		if err := bot.Wait(); err != nil {
			t.Errorf("the bot ended with: %v", err)
		}
	}
	defer end()
	watcher.Expect(`^:pushbot!\S+ JOIN :?#push`)
	alice, bob, carol := joined(t, r.server.Addr(), "alice"), joined(t, r.server.Addr(), "bob"), joined(t, r.server.Addr(), "carol")
	alice.Say("#push", ".join")
	topic(alice, "alice")
	bob.Say("#push", ".join with alice")
	topic(alice, "alice + bob")
	carol.Say("#push", ".join with alice")
	topic(alice, "alice + bob + carol")

	f := &flood{server: r.server, stop: make(chan struct{})}
	began := time.Now()
	over := time.After(*floodFor)
	var said sync.WaitGroup
	said.Go(f.run)
	quiet := sync.OnceFunc(func() {
		close(f.stop)
		said.Wait()
	})
	defer quiet()
	again := time.NewTicker(4 * time.Second) // the driver must not say too much
	defer again.Stop()
	var took []time.Duration
	for flooding := true; flooding; {
		took = append(took, r.stops(alice, func() {
			if len(took) > 0 {
				return
			}
			bob.Send("NICK robert")
			carol.Send("QUIT :gone")
			carol.ExpectEnd()
			thief := irctest.DialAs(t, r.server.Addr(), irctest.Person{Nick: "carol", User: "thief"})
			thief.Join("#push")
			thief.Say("#push", ".abort")
			thief.Say("#push", ".leave")
			thief.Sync()
		}))
		select {
		case <-again.C:
		case <-over:
			flooding = false
		}
	}
	quiet()
	rate := float64(f.lines) / time.Since(began).Seconds()
	m := memoryOf(t, bot.Process.Pid)
	slices.Sort(took)
	t.Logf("%d lines, %.0f a second, by %d people; .abort was answered %d times, after %v (p50), %v (p99), %v (most); %s",
		f.lines, rate, flooders, len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1], m)
	if worst := took[len(took)-1]; worst > 2*time.Second {
		t.Errorf(".abort was answered after %v", worst)
	}
	if m.highest > 200<<20 {
		t.Errorf("the bot took %d MiB", m.highest>>20)
	}
	if rate < floodRate/2 {
		t.Errorf("%.0f lines a second: that is no flood", rate)
	}
	alice.Say("#push", ".message over")
	alice.ExpectIn(time.Minute, `^:pushbot!\S+ TOPIC #push :alice \+ robert \+ carol\b.* !! "?over`)
	for _, line := range watcher.Sync() {
		if words := strings.Fields(line); strings.HasPrefix(line, ":pushbot!") && slices.Contains([]string{"QUIT", "JOIN", "PART"}, words[1]) {
			t.Errorf("the bot did not stay: %s", line)
		}
	}
	end()
}

// stops has the driver start a rollout and stop it, and returns how long that took.
// during is called while it runs.
func (r *localRig) stops(driver *irctest.Client, during func()) time.Duration {
	r.t.Helper()
	write(r.t, r.slow, "", 0o644)
	_ = os.Remove(r.slow + ".began") // the first time there is none
	driver.Say("#push", ".princess")
	await(r.t, irctest.Patience, "the build", func() bool { _, err := os.Stat(r.slow + ".began"); return err == nil })
	during()
	began := time.Now()
	driver.Say("#push", ".abort")
	driver.Expect(`^:pushbot!\S+ PRIVMSG #push :.*web/princess stopped, nothing live was touched: .*\balice\b`)
	took := time.Since(began).Round(time.Millisecond)
	if took > time.Second {
		r.t.Logf("at %s .abort was answered after %v", began.Format(time.TimeOnly), took)
	}
	return took
}

// flood is what its people say to the bot.
type flood struct {
	server *ircd.Server
	stop   chan struct{}
	lines  int
}

func (f *flood) run() {
	var renamed [flooders]bool
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for i := range flooders {
		f.server.Inject("pushbot", fmt.Sprintf(":f%d!f@%d.example JOIN #push", i, i))
	}
	for n := 0; ; {
		select {
		case <-f.stop:
			return
		case <-tick.C:
		}
		due := min(int(time.Since(began).Seconds()*floodRate), n+floodRate/10) // what can't be said in time is not made up for at once
		for ; n < due; n++ {
			i := n % flooders
			nick, other := fmt.Sprint("f", i), fmt.Sprint("g", i)
			if renamed[i] {
				nick, other = other, nick
			}
			line := floodLine(n/flooders, n)
			if line == "NICK " {
				line += other
				renamed[i] = !renamed[i]
			}
			if !f.server.Inject("pushbot", fmt.Sprintf(":%s!f@%d.example %s", nick, i, line)) {
				return // the bot has left
			}
			f.lines++
		}
	}
}

// floodLine is what each of the flood's people says in round k, of which there are 50
// a second.
func floodLine(k, n int) string {
	switch k % 400 { // servers have people change nicks, come and go no faster
	case 7:
		return "NICK "
	case 8:
		return "PART #push"
	case 9:
		return "JOIN #push"
	}
	switch k % 20 {
	case 0:
		return "PRIVMSG #push :.join"
	case 1:
		return "PRIVMSG #push :.leave"
	case 2:
		return "PRIVMSG #push :.queue"
	case 3:
		return "PRIVMSG #push :.abort"
	case 4:
		return "PRIVMSG pushbot :\x01VERSION\x01"
	case 5:
		return "NOTICE #push :.abort"
	case 6:
		return fmt.Sprintf("PRIVMSG #push :.message flood %d", n)
	case 10:
		return "PRIVMSG pushbot :status"
	case 11:
		return fmt.Sprintf("PRIVMSG #push :.log flood %d", n)
	}
	return fmt.Sprintf("PRIVMSG #push :line %d of a very long conversation about nothing at all", n)
}
