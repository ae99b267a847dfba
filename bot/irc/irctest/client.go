package irctest

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience is how long Expect and its kin wait.
const Patience = 20 * time.Second

// Client is a person at an IRC server, for one test's goroutine. It answers
// PING by itself and otherwise does only what it is told.
type Client struct {
	Nick string // as Dial got it; NICK does not change it

	t     testing.TB
	conn  net.Conn
	syncs int
	seen  []string // the lines of the present wait, for its failure message

	mu    sync.Mutex
	lines []string // received, not yet looked at
	ended error    // why reading ended
	news  chan struct{}
}

// password is that of all accounts.
const password = "secret"

// Person is who somebody is on the wire.
type Person struct {
	Nick    string
	User    string // Nick when empty
	Account string // logs in to it by SASL, see Register; "" = not at all
}

// Dial connects to addr, registers as nick and waits for the welcome. The link
// ends with the test.
func Dial(t testing.TB, addr, nick string) *Client { return DialAs(t, addr, Person{Nick: nick}) }

// DialAs is Dial for somebody with more to them than a nick.
func DialAs(t testing.TB, addr string, p Person) *Client {
	t.Helper()
	c := Connect(t, addr, p)
	c.Welcome()
	return c
}

// Login logs c in to an account that somebody has made.
func (c *Client) Login(account string) {
	c.t.Helper()
	c.Say("NickServ", "IDENTIFY "+account+" "+password)
	c.Expect(` 900 | already logged in `)
}

// Connect is DialAs without the wait for the welcome, which takes some servers a second.
func Connect(t testing.TB, addr string, p Person) *Client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, Patience)
	if err != nil {
		t.Fatalf("%s connects: %v", p.Nick, err)
	}
	c := &Client{Nick: p.Nick, t: t, conn: conn, news: make(chan struct{}, 1)}
	var reader sync.WaitGroup
	reader.Go(c.read)
	t.Cleanup(func() {
		_ = conn.Close()
		reader.Wait()
	})
	if p.Account != "" {
		c.Send("CAP REQ :sasl")
	}
	c.Send("NICK " + p.Nick)
	c.Send("USER " + cmp.Or(p.User, p.Nick) + " 0 * :" + p.Nick)
	if p.Account != "" {
		c.Expect(` ACK `)
		c.Send("AUTHENTICATE PLAIN")
		c.Expect(`^AUTHENTICATE `)
		c.Send("AUTHENTICATE " + base64.StdEncoding.EncodeToString([]byte(p.Account+"\x00"+p.Account+"\x00"+password)))
		c.Expect(` 903 `)
		c.Send("CAP END")
	}
	return c
}

// Welcome waits until the server has let c in.
func (c *Client) Welcome() {
	c.t.Helper()
	c.Expect(` (376|422) `)
}

// Register makes an account at services; the client is logged in to it from then on.
func (c *Client) Register(account string) {
	c.t.Helper()
	c.Send("NICK " + account)
	c.Say("NickServ", "REGISTER "+password+" "+account+"@a.test")
	c.Expect(` 900 `)
}

func (c *Client) read() {
	in := bufio.NewReader(c.conn)
	for {
		line, err := in.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		token, ping := strings.CutPrefix(line, "PING ")
		c.mu.Lock()
		if err != nil {
			c.ended = err
		} else if !ping && line != "" {
			c.lines = append(c.lines, line)
		}
		c.mu.Unlock()
		if ping {
			_ = c.write("PONG " + token) // a broken link shows in the next read
		}
		select {
		case c.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// Send writes one line.
func (c *Client) Send(line string) {
	c.t.Helper()
	if err := c.write(line); err != nil {
		c.t.Fatalf("%s sends %q: %v", c.Nick, line, err)
	}
}

func (c *Client) write(line string) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	_, err := io.WriteString(c.conn, line+"\r\n")
	return err
}

// Say speaks to a channel or a nick.
func (c *Client) Say(target, text string) {
	c.t.Helper()
	c.Send("PRIVMSG " + target + " :" + text)
}

// Join enters a channel and waits until the server has listed its members.
func (c *Client) Join(channel string) {
	c.t.Helper()
	c.Send("JOIN " + channel)
	c.Expect(`(?i) 366 \S+ ` + regexp.QuoteMeta(channel) + ` `)
}

// Sees waits until the server of c counts these among the channel's members. Two
// linked servers tell each other of a JOIN when they come to it, and to where a server
// knows of no member it passes nothing on.
func (c *Client) Sees(channel string, nicks ...string) {
	c.t.Helper()
	for over := time.Now().Add(Patience); ; {
		c.Send("NAMES " + channel)
		there := map[string]bool{}
		c.ExpectFunc(Patience, "the names", func(line string) bool {
			if head, names, ok := strings.Cut(line, channel+" :"); ok && strings.Contains(head, " 353 ") {
				for name := range strings.FieldsSeq(names) {
					there[strings.TrimLeft(name, "~&@%+")] = true
				}
			}
			return strings.Contains(line, " 366 ")
		})
		if !slices.ContainsFunc(nicks, func(nick string) bool { return !there[nick] }) {
			return
		}
		if time.Now().After(over) {
			c.t.Fatalf("%s waited %v for %q in %s: there are %q", c.Nick, Patience, nicks, channel, slices.Sorted(maps.Keys(there)))
		}
	}
}

// Expect waits for a line that matches the regular expression and returns its
// groups, the whole match first. Lines before it are passed over for good.
func (c *Client) Expect(pattern string) []string {
	c.t.Helper()
	return c.ExpectIn(Patience, pattern)
}

// ExpectIn is Expect with another time to wait.
func (c *Client) ExpectIn(wait time.Duration, pattern string) []string {
	c.t.Helper()
	expr := regexp.MustCompile(pattern)
	var groups []string
	c.ExpectFunc(wait, pattern, func(line string) bool {
		groups = expr.FindStringSubmatch(line)
		return groups != nil
	})
	return groups
}

// ExpectFunc waits for a line that ok accepts and returns it; what names it in
// the failure.
func (c *Client) ExpectFunc(wait time.Duration, what string, ok func(line string) bool) string {
	c.t.Helper()
	c.seen = nil
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		line, err := c.take()
		switch {
		case line != "":
			if ok(line) {
				return line
			}
			c.seen = append(c.seen, line)
			continue
		case err != nil:
			c.t.Fatalf("%s waits for %s: the link ended: %v\nit saw:\n%s", c.Nick, what, err, strings.Join(c.seen, "\n"))
		}
		select {
		case <-c.news:
		case <-over.C:
			c.t.Fatalf("%s waited %v for %s; it saw:\n%s", c.Nick, wait, what, strings.Join(c.seen, "\n"))
		}
	}
}

// take returns the next line; "" when there is none, with the reason when there
// will be none.
func (c *Client) take() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lines) == 0 {
		return "", c.ended
	}
	line := c.lines[0]
	c.lines = c.lines[1:]
	return line, nil
}

// Sync waits until the server has worked off all that c sent, and returns the
// lines that had not been looked at.
func (c *Client) Sync() []string {
	c.t.Helper()
	c.syncs++
	token := fmt.Sprintf("sync-%s-%d", c.Nick, c.syncs)
	c.Send("PING :" + token)
	c.ExpectFunc(Patience, "the PONG", func(line string) bool {
		return strings.Contains(line, " PONG ") && strings.HasSuffix(line, token)
	})
	return c.seen
}

// ExpectEnd waits until the server has ended the link.
func (c *Client) ExpectEnd() {
	c.t.Helper()
	over := time.NewTimer(Patience)
	defer over.Stop()
	for {
		line, err := c.take()
		if line != "" {
			continue
		}
		if err != nil {
			return
		}
		select {
		case <-c.news:
		case <-over.C:
			c.t.Fatalf("%s waited %v for the end of the link", c.Nick, Patience)
		}
	}
}

// Ended reports whether the link has ended. What came before that may still be waited for.
func (c *Client) Ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended != nil
}

// Close ends the link without a QUIT.
func (c *Client) Close() { _ = c.conn.Close() }
