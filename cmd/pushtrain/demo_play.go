package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// demoPlay is alice and bob, who play a push for a newcomer to watch.
type demoPlay struct {
	irc   string // the IRC server's address
	web   string // the hosts' address
	site  *demoSite
	start time.Time

	mu  sync.Mutex // held while a line is printed
	out io.Writer
}

const (
	demoPatience = 60 * time.Second        // how long the play waits for one thing to happen
	demoPace     = 1200 * time.Millisecond // between two words, so that a person can follow
)

func (p *demoPlay) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer stop()
	alice, err := p.join(ctx, &readers, "alice")
	if err != nil {
		return err
	}
	if err := alice.wait(ctx, ` 366 `); err != nil {
		return err
	}
	bob, err := p.join(ctx, &readers, "bob")
	if err != nil {
		return err
	}
	if err := alice.wait(ctx, `^:bob!\S+ JOIN `); err != nil {
		return err
	}
	if err := p.site.edit("alice", "a better search box"); err != nil {
		return err
	}
	for _, step := range []struct {
		who   *player
		say   string
		until []string // alice has seen all of these
	}{
		{alice, ".join", []string{`TOPIC #push :alice$`}},
		{bob, ".join with alice", []string{`TOPIC #push :alice \+ bob$`, `You're up`}},
		{alice, ".princess", []string{`is on princess`, `TOPIC #push :<princess> alice \+ bob$`}},
		{alice, ".good", []string{`TOPIC #push :<princess> alice\* \+ bob$`}},
		{bob, ".good", []string{`TOPIC #push :<princess> alice\* \+ bob\*$`, `Everyone is ready`}},
		{alice, ".prod", []string{`is on prod`, `TOPIC #push :<prod> alice \+ bob$`}},
		{bob, ".good", []string{`TOPIC #push :<prod> alice \+ bob\*$`}},
		{alice, ".done", []string{`TOPIC #push :clear$`}},
	} {
		select {
		case <-time.After(demoPace):
		case <-ctx.Done():
			return ctx.Err()
		}
		alice.forget()
		if err := step.who.say(step.say); err != nil {
			return err
		}
		for _, pattern := range step.until {
			if err := alice.wait(ctx, pattern); err != nil {
				return err
			}
		}
		if step.say == ".princess" || step.say == ".prod" {
			p.show(ctx)
		}
	}
	return nil
}

// show prints what each host serves now.
func (p *demoPlay) show(ctx context.Context) {
	for _, host := range demoHostNames {
		p.print("http", host, servedBy(ctx, p.web+"/"+host+"/"))
	}
}

var demoRelease = regexp.MustCompile(`Release \w+`)

// servedBy says which release is behind an address.
func servedBy(ctx context.Context, url string) string {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err.Error() // unreachable: the address is our own
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", res.StatusCode, demoRelease.Find(body))
}

func (p *demoPlay) print(kind, who, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%5.1fs  %-6s %-10s %s\n", time.Since(p.start).Seconds(), kind, who, text)
}

// player is one IRC client. Its reader, which ends with its context, answers PING;
// alice's prints what she sees.
type player struct {
	nick string
	conn net.Conn
	play *demoPlay
	in   chan string // alice's lines, from the reader; closed when the link ends
	seen []string    // those of them that no pattern has matched yet
}

func (p *demoPlay) join(ctx context.Context, readers *sync.WaitGroup, nick string) (*player, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", p.irc)
	if err != nil {
		return nil, fmt.Errorf("connect %s: %w", nick, err)
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	pl := &player{nick: nick, conn: conn, play: p, in: make(chan string, 1024)}
	readers.Go(func() { pl.read(ctx) })
	if _, err := fmt.Fprintf(conn, "NICK %s\r\nUSER %s 0 * :%s\r\nJOIN #push\r\n", nick, nick, nick); err != nil {
		return nil, fmt.Errorf("%s joins: %w", nick, err)
	}
	return pl, nil
}

func (pl *player) say(text string) error {
	pl.play.print("say", pl.nick, text)
	if _, err := fmt.Fprintf(pl.conn, "PRIVMSG #push :%s\r\n", text); err != nil {
		return fmt.Errorf("%s says %s: %w", pl.nick, text, err)
	}
	return nil
}

// demoLine is what the bot says: who, how, to whom, what.
var demoLine = regexp.MustCompile(`^:([^! ]+)!\S+ (PRIVMSG|TOPIC|NOTICE) (\S+) :(.*)$`)

func (pl *player) read(ctx context.Context) {
	defer close(pl.in)
	lines := bufio.NewScanner(pl.conn)
	for lines.Scan() {
		line := lines.Text()
		if token, ok := strings.CutPrefix(line, "PING "); ok {
			_, _ = fmt.Fprintf(pl.conn, "PONG %s\r\n", token) // a link that is gone ends the scan
			continue
		}
		pl.print(line)
		if pl.nick != "alice" {
			continue
		}
		select {
		case pl.in <- line:
		case <-ctx.Done():
			return
		}
	}
}

func (pl *player) print(line string) {
	m := demoLine.FindStringSubmatch(line)
	switch {
	case m == nil, m[1] == "alice", m[1] == "bob":
	case m[2] == "NOTICE":
		pl.play.print("notice", m[1], "(to "+m[3]+" alone) "+m[4])
	case pl.nick != "alice": // she has printed it
	case m[2] == "TOPIC":
		pl.play.print("topic", m[1], m[4])
	default:
		pl.play.print("say", m[1], m[4])
	}
}

// forget drops the lines that were not waited for.
func (pl *player) forget() {
	pl.seen = nil
	for len(pl.in) > 0 {
		<-pl.in
	}
}

// wait returns when a line matches that no pattern before has matched.
func (pl *player) wait(ctx context.Context, pattern string) error {
	until := regexp.MustCompile(pattern)
	patience := time.NewTimer(demoPatience)
	defer patience.Stop()
	for i := 0; ; i++ {
		if i == len(pl.seen) {
			select {
			case line, ok := <-pl.in:
				if !ok {
					return fmt.Errorf("%s waits for %q: the server hung up", pl.nick, pattern)
				}
				pl.seen = append(pl.seen, line)
			case <-ctx.Done():
				return ctx.Err()
			case <-patience.C:
				return fmt.Errorf("%s waits for %q in vain", pl.nick, pattern)
			}
		}
		if until.MatchString(pl.seen[i]) {
			pl.seen = slices.Delete(pl.seen, i, i+1)
			return nil
		}
	}
}
