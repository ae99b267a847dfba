package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// demoPlay is alice and bob, who play a push for a newcomer to watch.
type demoPlay struct {
	out   io.Writer
	irc   string // the IRC server's address
	web   string // the hosts' address
	site  *demoSite
	start time.Time
}

const (
	demoPatience = 60 * time.Second        // how long the play waits for one thing to happen
	demoPace     = 1200 * time.Millisecond // between two words, so that a person can follow
)

func (p *demoPlay) run(ctx context.Context) error {
	alice, err := p.join(ctx, "alice")
	if err != nil {
		return err
	}
	defer alice.conn.Close()
	bob, err := p.join(ctx, "bob")
	if err != nil {
		return err
	}
	defer bob.conn.Close()
	if err := p.site.edit("a better search box"); err != nil {
		return err
	}
	for _, step := range []struct {
		who   *player
		say   string
		until string
	}{
		{alice, ".join", `TOPIC #push :alice`},
		{bob, ".join with alice", `You're up`},
		{alice, ".princess", `is on princess`},
		{alice, ".good", `TOPIC #push :<princess> alice\*`},
		{bob, ".good", `Everyone is ready`},
		{alice, ".prod", `is on prod`},
		{bob, ".good", `TOPIC #push :<prod> alice \+ bob\*`},
		{alice, ".done", `TOPIC #push :clear`},
	} {
		select {
		case <-time.After(demoPace):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := step.who.say(step.say); err != nil {
			return err
		}
		if err := alice.wait(step.until); err != nil {
			return err
		}
		if step.say == ".prod" {
			p.show(ctx)
		}
	}
	return p.site.edit("your own change: ship it")
}

// show prints what each host serves now.
func (p *demoPlay) show(ctx context.Context) {
	for _, host := range []string{"princess1", "web1", "web2", "web3"} {
		req, err := http.NewRequestWithContext(ctx, "GET", p.web+"/"+host+"/", nil)
		if err != nil {
			return // unreachable: the address is our own
		}
		text := ""
		if res, err := http.DefaultClient.Do(req); err != nil {
			text = err.Error()
		} else {
			body, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
			res.Body.Close()
			text = fmt.Sprintf("%d, %s", res.StatusCode, regexp.MustCompile(`Release \w+`).FindString(string(body)))
		}
		p.print("http", host, text)
	}
}

func (p *demoPlay) print(kind, who, text string) {
	fmt.Fprintf(p.out, "%5.1fs  %-6s %-10s %s\n", time.Since(p.start).Seconds(), kind, who, text)
}

// player is one IRC client.
type player struct {
	nick  string
	conn  net.Conn
	in    *bufio.Scanner
	play  *demoPlay
	quiet bool // prints nothing of what it sees
}

func (p *demoPlay) join(ctx context.Context, nick string) (*player, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", p.irc)
	if err != nil {
		return nil, fmt.Errorf("connect %s: %w", nick, err)
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	pl := &player{nick: nick, conn: conn, in: bufio.NewScanner(conn), play: p, quiet: nick != "alice"}
	if _, err := fmt.Fprintf(conn, "NICK %s\r\nUSER %s 0 * :%s\r\nJOIN #push\r\n", nick, nick, nick); err != nil {
		return nil, err
	}
	return pl, pl.wait(" 366 ")
}

func (pl *player) say(text string) error {
	if !pl.quiet {
		pl.play.print("say", pl.nick, text)
	}
	_, err := fmt.Fprintf(pl.conn, "PRIVMSG #push :%s\r\n", text)
	return err
}

var demoLine = regexp.MustCompile(`^:([^! ]+)\S* (PRIVMSG|TOPIC) #push :(.*)$`)

// wait reads, and shows, what happens until a line matches.
func (pl *player) wait(pattern string) error {
	until := regexp.MustCompile(pattern)
	if err := pl.conn.SetReadDeadline(time.Now().Add(demoPatience)); err != nil {
		return err
	}
	for pl.in.Scan() {
		line := pl.in.Text()
		if token, ok := strings.CutPrefix(line, "PING "); ok {
			if _, err := fmt.Fprintf(pl.conn, "PONG %s\r\n", token); err != nil {
				return err
			}
			continue
		}
		if m := demoLine.FindStringSubmatch(line); m != nil && !pl.quiet {
			kind := "say"
			if m[2] == "TOPIC" {
				kind = "topic"
			}
			pl.play.print(kind, m[1], m[3])
		}
		if until.MatchString(line) {
			return nil
		}
	}
	if err := pl.in.Err(); err != nil {
		return fmt.Errorf("%s waits for %q: %w", pl.nick, pattern, err)
	}
	return fmt.Errorf("%s waits for %q: the server hung up", pl.nick, pattern)
}
