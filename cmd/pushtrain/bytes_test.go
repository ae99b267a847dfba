package main

import (
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
	everyByte(t, irctest.Ngircd(t, irctest.Options{}).Addr(), 16)
}

// TestEveryByteInspircd does it on a server that lets a newcomer in once a second.
func TestEveryByteInspircd(t *testing.T) {
	t.Parallel()
	everyByte(t, irctest.Inspircd(t, irctest.NetworkOptions{}).Addr(0), 128)
}

// everyByte has so many people do it at once.
func everyByte(t *testing.T, server string, crowd int) {
	wire := irctest.NewTap(t, server)
	boss := joined(t, server, "boss")
	boss.Send("MODE #push -t")
	startBot(t, queueConfig(t, wire.Addr, t.TempDir()))
	alice := joined(t, server, "alice")
	alice.Say("#push", ".join")
	topic(boss, "alice")

	var visits sync.WaitGroup
	for worker := range crowd {
		visits.Go(func() {
			for b := worker; b < 256; b += crowd {
				everyWay(t, server, string([]byte{byte(b)}), worker)
			}
		})
	}
	visits.Wait()
	alice.Say("#push", ".message over")
	boss.ExpectIn(90*time.Second, `^:pushbot!\S+ TOPIC #push :alice\b.* !! "over"`)

	if n := wire.Links(); n != 1 {
		t.Errorf("the bot has connected %d times", n)
	}
	ours := regexp.MustCompile(`^(CAP (LS|REQ|END)|NICK pushbot$|USER pushbot \* \* pushtrain$|JOIN #push$|MODE (#push|pushbot \+B)$|PONG |PING |WHO (#push|pushbot)|TOPIC #push( :|$)|` +
		`(PRIVMSG #push|NOTICE (alice|[muv][^ ]*)) :[^\x01]*$)`)
	n := 0
	for line := range strings.Lines(wire.Sent()) {
		text, whole := strings.CutSuffix(line, "\r\n")
		if n++; !whole || len(line) > 512 || strings.ContainsAny(text, "\r\n\x00") || !ours.MatchString(text) {
			t.Errorf("the bot has sent %q", line)
		}
	}
	if n < 15 {
		t.Errorf("the bot has sent %q and no more", wire.Sent())
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
