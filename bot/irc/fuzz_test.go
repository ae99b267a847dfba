package irc

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lrstanley/girc"
	"github.com/rs/zerolog"
)

// FuzzServer has a server say anything, to a bot that registers and to one that is in
// its channel. The session does not fall, says whole lines and no others, and tells
// of nobody who has no nick, and of nothing that ends a line.
func FuzzServer(f *testing.F) {
	const greeting = ":s CAP * LS :\r\n:s 001 bot :hi\r\n:s 005 bot CASEMAPPING=rfc1459 PREFIX=(ov)@+ CHANMODES=b,k,l,imnt WHOX :are here\r\n:s 376 bot :end\r\n" +
		":bot!b@h JOIN #push\r\n:s 353 bot = #push :@bot +alice bob\r\n:s 366 bot #push :end\r\n:s 332 bot #push :alice\r\n:s 315 bot #push :end\r\n"
	for _, said := range []string{
		"", ":s CAP * LS :\r\n:s 433 * bot :taken\r\n:s 001 bot_ :hi\r\n", ":s CAP bot ACK :account-tag extended-join\r\n", "@account=a;time=2013-11-23T12:00:00Z :alice!a@h PRIVMSG #push :.join\r\n",
		":alice!a@h PRIVMSG #push :\x01ACTION x\x01\r\n:alice!a@h NICK :carol\r\n:carol!a@h QUIT :a.b c.d\r\n", ":x!y@z KICK #push bot :out\r\n", ":s MODE #push +ovb-t bot alice *!*@*\r\n",
		":s CAP * LS * :sasl=PLAIN\r\n:s CAP * LS :sts=port=6697,duration=1\r\n", ":s 421 * CAP :what?\r\n:s 464 * :no\r\n", ":***!znc@znc.in PRIVMSG #push :Buffer Playback...\r\n:s CAP bot NEW :sts=\r\n",
		":alice!a@h TOPIC #push :\xff\r\n:s 482 bot #push :no\r\n", ":s 354 bot 77 u h alice acc\r\n:alice!a@h ACCOUNT *\r\n:alice!a@h CHGHOST u h\r\n", ":a JOIN\r\n:\r\n@\r\n: :\r\nPING\r\nERROR :x\r\n",
	} {
		f.Add([]byte(said), false)
		f.Add([]byte(said), true)
	}
	f.Fuzz(func(t *testing.T, said []byte, inside bool) {
		if inside {
			said = append([]byte(greeting), said...)
		}
		server := &mouth{said: bytes.NewReader(said)}
		l := New(Config{Server: "127.0.0.1:1", Nick: "bot", Channel: "#push", Log: zerolog.Nop()})
		s := newSession(l, server)
		over := false
		s.wire.heard = func(e girc.Event) {
			if !over {
				over = s.handle(e) != nil
			}
		}
		for buf := make([]byte, 512); s.wire.receive(buf) == nil; {
			if !over {
				over = s.advance(time.Now()) != nil
			}
		}
		for line := range strings.Lines(server.heard.String()) {
			if text, whole := strings.CutSuffix(line, "\r\n"); !whole || strings.ContainsAny(text, "\r\n\x00") {
				t.Errorf("it says %q", line)
			}
		}
		for _, e := range l.pending {
			for _, w := range people(e) {
				if w.Nick == "" || strings.ContainsAny(w.Nick+w.User+w.Host+w.Account, "\n") {
					t.Errorf("%T of %+q", e, w)
				}
			}
		}
	})
}

// people are those whom an event names.
func people(e Event) []Who {
	switch e := e.(type) {
	case Said:
		return []Who{e.From}
	case Joined:
		return []Who{e.Who}
	case Left:
		return []Who{e.Who}
	case Identified:
		return []Who{e.Old, e.New}
	case Renamed:
		return []Who{e.Who, {Nick: e.To}}
	}
	return nil
}

// mouth is a server's end of a link: what it says, and what it hears.
type mouth struct {
	net.Conn
	said  io.Reader
	heard bytes.Buffer
}

func (m *mouth) Read(p []byte) (int, error)       { return m.said.Read(p) }
func (m *mouth) Write(p []byte) (int, error)      { return m.heard.Write(p) }
func (m *mouth) SetWriteDeadline(time.Time) error { return nil }
func (m *mouth) Close() error                     { return errors.New("closed already") }
