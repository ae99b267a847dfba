package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"pushtrain/bot"
	"pushtrain/bot/ircd"
)

// demoCommand runs everything in one process on loopback: an IRC server, four
// hosts that are folders, a site and its repository, and the bot itself.
func demoCommand() *cobra.Command {
	var play string
	var lasts time.Duration
	c := &cobra.Command{
		Use: "demo", Short: "Run an IRC server, four hosts, a site, the bot and its page on loopback, and play a push", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if play != "yes" && play != "no" {
				return exit(exitUsage, "demo: --play is yes or no, not %q", play)
			}
			if lasts < 0 || lasts == 0 && c.Flags().Changed("for") {
				return exit(exitUsage, "demo: --for %v is over before it begins: say such as 60s, or leave it out to stay", lasts)
			}
			ctx := c.Context()
			if lasts > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, lasts)
				defer cancel()
			}
			return runDemo(ctx, c.OutOrStdout(), play == "yes")
		},
	}
	c.Flags().StringVar(&play, "play", "yes", "whether alice and bob play a push: `yes or no`")
	c.Flags().DurationVar(&lasts, "for", 0, "end after this `TIME`, such as 60s (default: stay)")
	return c
}

// runDemo runs the demo until ctx ends and leaves nothing behind.
func runDemo(ctx context.Context, out io.Writer, play bool) (err error) {
	if err := needTools("git", "rsync"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "pushtrain-demo-")
	if err != nil {
		return fmt.Errorf("make the demo's folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	site, err := newDemoSite(filepath.Join(dir, "site"))
	if err != nil {
		return err
	}
	server, err := listenIRC()
	if err != nil {
		return err
	}
	defer server.Close()
	web, err := listenOr("127.0.0.1:8081")
	if err != nil {
		return err
	}
	defer web.Close()
	page, err := listenOr("127.0.0.1:8080")
	if err != nil {
		return err
	}
	defer page.Close()
	path := demoConfigPath(dir)
	if err := os.WriteFile(path, []byte(demoConfig(dir, server.Addr())), 0o644); err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	cfg, err := loadConfigFile(path)
	if err != nil {
		return err
	}

	ctx, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()
	pages := &http.Server{Handler: demoHosts(filepath.Join(dir, "hosts")), ReadHeaderTimeout: 5 * time.Second}
	parts.Go(func() { _ = pages.Serve(web) }) // ends with ErrServerClosed, by the next line
	context.AfterFunc(ctx, func() { pages.Close() })
	ready, ended := make(chan struct{}), make(chan error, 1)
	parts.Go(func() {
		ended <- serveOn(ctx, cfg, zerolog.Nop(), page, service{ready: func() { close(ready) }})
		stop()
	})
	fmt.Fprint(out, demoWelcome(dir, server.Addr(), web.Addr().String(), page.Addr().String()))
	p := demoPlay{out: out, irc: server.Addr(), web: "http://" + web.Addr().String(), site: site, start: time.Now()}
	select {
	case <-ready:
		err = playDemo(ctx, cfg, &p, play)
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		err = nil // it was told to end, or the bot's end below says why
	} else if err == nil {
		fmt.Fprint(out, demoYourTurn)
		<-ctx.Done()
	}
	stop()
	return errors.Join(err, <-ended)
}

// playDemo brings the first release to all hosts, plays a push if asked to, and
// leaves a change for the newcomer to ship.
func playDemo(ctx context.Context, cfg Config, p *demoPlay, play bool) error {
	for _, stage := range []string{"princess", "prod"} {
		said := ""
		req := bot.Request{Do: "deploy", By: "demo", Stack: "web", Stage: stage, Follow: true}
		code, err := bot.Call(ctx, cfg.StateDir, req, func(r bot.Reply) { said += r.Line + "\n" })
		if err != nil || code != 0 {
			return fmt.Errorf("bring the first release to %s: exit %d, %w\n%s", stage, code, err, said)
		}
	}
	p.show(ctx)
	if play {
		if err := p.run(ctx); err != nil {
			return fmt.Errorf("play a push: %w", err)
		}
	}
	return p.site.edit("you", "your own change")
}

// listenIRC takes IRC's usual port, or any free one.
func listenIRC() (*ircd.Server, error) {
	s, err := ircd.Listen("127.0.0.1:6667", ircd.Options{})
	if err != nil {
		s, err = ircd.Listen("127.0.0.1:0", ircd.Options{})
	}
	if err != nil {
		return nil, fmt.Errorf("open the demo's IRC server: %w", err)
	}
	return s, nil
}

// listenOr takes addr, or any free port.
func listenOr(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("open the demo's web server: %w", err)
	}
	return l, nil
}
