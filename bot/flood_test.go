package bot

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pushtrain/bot/irc/irctest"
	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/train"
)

var floodFor = flag.Duration("flood", 5*time.Second, "how long TestFloodServers floods the bot")

// TestFloodServers: people ask the bot as much as real servers with their own limits
// let them. No server throws the bot out for what it answers, and the driver soon hears
// how a rollout ends.
func TestFloodServers(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) string{
		"ngircd": func(t *testing.T) string { return irctest.Ngircd(t, irctest.Options{Penalty: true}).Addr() },
		"InspIRCd": func(t *testing.T) string {
			return irctest.Inspircd(t, irctest.NetworkOptions{Limits: true}).Addr(0)
		},
		"ircd-hybrid": func(t *testing.T) string { return irctest.Hybrid(t).Addr() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := start(t)
			alice := irctest.Dial(t, addr, "alice")
			alice.Join("#push")
			begin(t, "pushbot", "#push", addr, train.Rules{Identity: "hostmask"}, barren{newScripted()}) // nobody has an account
			alice.Send("MODE #push +o pushbot")
			alice.Say("#push", ".join")
			alice.Expect(`^:pushbot!\S+ TOPIC #push :alice$`)
			watcher := irctest.Dial(t, addr, "watcher")
			watcher.Join("#push")
			people := 50
			if *floodFor > time.Minute {
				people = 200
			}
			ctx, stop := context.WithTimeout(t.Context(), *floodFor)
			defer stop()
			var lines atomic.Int64
			var talk sync.WaitGroup
			for i := range people {
				talk.Go(func() {
					if err := asker(ctx, addr, fmt.Sprintf("f%d", i), &lines); err != nil && ctx.Err() == nil {
						t.Errorf("f%d: %v", i, err)
					}
				})
			}
			defer talk.Wait()
			again := time.NewTicker(5 * time.Second)
			defer again.Stop()
			var took []time.Duration
			for flooding := true; flooding; {
				select {
				case <-again.C:
				case <-ctx.Done():
					flooding = false
				}
				began := time.Now()
				alice.Say("#push", ".princess")
				alice.ExpectIn(time.Minute, `^:pushbot!\S+ PRIVMSG #push :.*web/princess stopped, nothing live was touched`)
				took = append(took, time.Since(began).Round(time.Millisecond))
			}
			said := 0
			for _, line := range watcher.Sync() {
				words := strings.Fields(line)
				if !strings.HasPrefix(line, ":pushbot!") {
					continue
				}
				said++
				if slices.Contains([]string{"QUIT", "JOIN", "PART"}, words[1]) {
					t.Errorf("the bot did not stay: %s", line)
				}
			}
			slices.Sort(took)
			t.Logf("%d people said %d lines, %.1f a second; the bot said %d in the channel; it told the driver %d times how a rollout ended, after %v (p50), %v (most)",
				people, lines.Load(), float64(lines.Load())/floodFor.Seconds(), said, len(took), took[len(took)/2], took[len(took)-1])
			if n := lines.Load(); said < len(took) || n < 2*int64(people) {
				t.Errorf("people said %d lines, and the bot %d: nobody has tried it", n, said)
			}
		})
	}
}

// barren is a Deployer that can build nothing.
type barren struct{ *scripted }

func (barren) Do(_ context.Context, _ deploy.Rollout, e deploy.Effect, _ func(fleet.Line)) deploy.Event {
	k, host := deploy.Names(e)
	return deploy.Failed{Kind: k, Host: host, Reason: "there is nothing to build", Clean: true}
}

// asker is one person who says commands, each when the server has worked off the one
// before but no more than two a second, until ctx ends; their link has ended before if
// it returns earlier.
func asker(ctx context.Context, addr, nick string, lines *atomic.Int64) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := fmt.Fprintf(conn, "NICK %s\r\nUSER %[1]s 0 * :%[1]s\r\n", nick); err != nil {
		return err
	}
	pace := time.NewTicker(500 * time.Millisecond) // ngircd lets so much through that it has no time for its PINGs else
	defer pace.Stop()
	words := []string{".help", ".join", ".queue", ".message from " + nick, ".status", ".leave", ".eta", ".help join", ".log from " + nick}
	for in := bufio.NewScanner(conn); in.Scan(); {
		line := in.Text()
		if token, ping := strings.CutPrefix(line, "PING "); ping {
			_, err = fmt.Fprintf(conn, "PONG %s\r\n", token)
		} else if strings.HasPrefix(line, "ERROR ") {
			return errors.New(line)
		} else if word := strings.Fields(line + " . ."); slices.Contains([]string{"376", "422"}, word[1]) {
			_, err = fmt.Fprint(conn, "JOIN #push\r\n")
		} else if word[1] == "366" || word[1] == "PONG" {
			select {
			case <-pace.C:
			case <-ctx.Done():
			}
			_, err = fmt.Fprintf(conn, "PRIVMSG #push :%s\r\nPING :next\r\n", words[lines.Add(1)%int64(len(words))])
		}
		if err != nil {
			return err
		}
	}
	return errors.New("the link has ended")
}
