package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"pushtrain/bot/irc/irctest"
)

// TestEveryByte has people say every byte that there is, in all that a real server
// carries of them: nick, user, real name, text, topic, and the reasons of kick, part
// and quit. The bot's own lines are looked at on the wire: whole, few, of the kinds
// that it has, to whom it means; and at the end it is where it was, and answers.
func TestEveryByte(t *testing.T) {
	t.Parallel()
	server := irctest.Ngircd(t, irctest.Options{})
	wire := listenIn(t, server.Addr())
	boss := joined(t, server.Addr(), "boss")
	boss.Send("MODE #push -t")
	startBot(t, queueConfig(t, wire.addr, t.TempDir()))
	alice := joined(t, server.Addr(), "alice")
	alice.Say("#push", ".join")
	topic(boss, "alice")

	var visits sync.WaitGroup
	for worker := range 16 {
		visits.Go(func() {
			for b := worker; b < 256; b += 16 {
				everyWay(t, server.Addr(), string([]byte{byte(b)}), worker)
			}
		})
	}
	visits.Wait()
	alice.Say("#push", ".message over")
	boss.ExpectIn(90*time.Second, `^:pushbot!\S+ TOPIC #push :alice\b.* !! "over"`)

	if n := wire.links(); n != 1 {
		t.Errorf("the bot has connected %d times", n)
	}
	ours := regexp.MustCompile(`^(CAP (LS|REQ|END)|NICK pushbot$|USER pushbot \* \* pushtrain$|JOIN #push$|MODE #push$|PONG |PING |WHO (#push|pushbot)|TOPIC #push( :|$)|` +
		`(PRIVMSG #push|NOTICE (alice|[muv][^ ]*)) :[^\x01]*$)`)
	lines := wire.said()
	for _, line := range lines {
		text, whole := strings.CutSuffix(line, "\r\n")
		if !whole || len(line) > 512 || strings.ContainsAny(text, "\r\n\x00") || !ours.MatchString(text) {
			t.Errorf("the bot has sent %q", line)
		}
	}
	if len(lines) < 15 {
		t.Errorf("the bot has sent %q and no more", lines)
	}
}

// everyWay has three come who say the byte x in all ways; n makes their nicks their own.
func everyWay(t *testing.T, addr, x string, n int) {
	visit(t, addr, []string{
		fmt.Sprintf("NICK mallory%d", n), "USER mallory 0 * :mallory", "JOIN #push",
		"PRIVMSG #push :" + x + ".join", "PRIVMSG #push :.jo" + x + "in", "PRIVMSG #push :.kick " + x + "nobody", "PRIVMSG #push :.help " + x,
		"PRIVMSG #push :pushbot: " + x, "PRIVMSG pushbot :.join" + x + "web", "NOTICE #push :.join" + x, "PRIVMSG #push :\x01" + x + "\x01",
		"PRIVMSG #push :.message " + x + "QUIT", "TOPIC #push :alice + b" + x + "b !! \"" + x + "\"",
		"NICK m" + x + "b", "KICK #push nobody :" + x, "PART #push :" + x + ".join", "JOIN #push", "QUIT :" + x + ".join",
	})
	// A name that the server refuses is no visitor: the next one is.
	visit(t, addr, []string{"NICK v" + x + "x", "USER v 0 * :v", fmt.Sprintf("NICK v%d", n), "JOIN #push", "PRIVMSG #push :.join", "PRIVMSG #push :.leave", "QUIT"})
	visit(t, addr, []string{"USER u" + x + "x 0 * :r" + x, "USER u 0 * :u", fmt.Sprintf("NICK u%d", n), "JOIN #push", "PRIVMSG #push :.join", "PRIVMSG #push :.leave", "QUIT"})
}

// visit says all lines to the server, until it ends the link.
func visit(t *testing.T, addr string, lines []string) {
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		defer conn.Close()
		err = conn.SetDeadline(time.Now().Add(irctest.Patience))
	}
	if err != nil {
		t.Error(err)
		return
	}
	for _, line := range lines {
		_, _ = io.WriteString(conn, line+"\r\n") // a server may have had enough
	}
	if strings.Contains(lines[0], "\x00") || strings.Contains(lines[3], "\x00") { // ngircd sees nothing that comes with it in one read
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the server does not end the link that said %q", lines)
	}
}

// tap is a way to a server that notes what is sent there.
type tap struct {
	addr string
	done sync.WaitGroup

	mu    sync.Mutex
	n     int
	lines []string
}

func (w *tap) links() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

func (w *tap) said() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines
}

// listenIn opens a tap that ends with the test.
func listenIn(t *testing.T, server string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &tap{addr: l.Addr().String()}
	w.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.done.Go(func() { w.link(conn, server) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.done.Wait()
	})
	return w
}

func (w *tap) link(conn net.Conn, server string) {
	defer conn.Close()
	up, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer up.Close()
	w.mu.Lock()
	w.n++
	w.mu.Unlock()
	w.done.Go(func() { _, _ = io.Copy(conn, up); conn.Close() })
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			w.mu.Lock()
			w.lines = append(w.lines, line)
			w.mu.Unlock()
			_, _ = io.WriteString(up, line)
		}
		if err != nil {
			return
		}
	}
}
