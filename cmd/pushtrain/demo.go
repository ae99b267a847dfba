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

	"pushtrain/bot/ircd"
)

// demoCommand runs everything in one process on loopback: an IRC server, four
// hosts that are folders, a site and its repository, and the bot itself.
func demoCommand(o *options) *cobra.Command {
	var play string
	var lasts time.Duration
	c := &cobra.Command{
		Use: "demo", Short: "Run an IRC server, four hosts, a site and the bot on loopback, and play a push", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if play != "yes" && play != "no" {
				return exit(exitUsage, "demo: --play is yes or no, not %q", play)
			}
			ctx := c.Context()
			if lasts > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, lasts)
				defer cancel()
			}
			return runDemo(ctx, c.OutOrStdout(), o, play == "yes")
		},
	}
	c.Flags().StringVar(&play, "play", "yes", "whether alice and bob play a push: yes or no")
	c.Flags().DurationVar(&lasts, "for", 0, "end after this long (default: stay)")
	return c
}

func runDemo(ctx context.Context, out io.Writer, o *options, play bool) (err error) {
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
	cfgPath := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(cfgPath, []byte(demoConfig(dir, server.Addr())), 0o644); err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	cfg, err := loadConfigFile(cfgPath)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()

	httpServer := &http.Server{Handler: demoHosts(filepath.Join(dir, "hosts")), ReadHeaderTimeout: 5 * time.Second}
	parts.Go(func() { _ = httpServer.Serve(web) }) // ends with ErrServerClosed below
	context.AfterFunc(ctx, func() { httpServer.Close() })
	ended, ready := make(chan error, 1), make(chan struct{})
	parts.Go(func() {
		ended <- serveBot(ctx, cfg, zerolog.Nop(), func() { close(ready) })
		stop()
	})
	host, port, _ := net.SplitHostPort(server.Addr())
	fmt.Fprintf(out, `pushtrain demo: everything on loopback, nothing outlives it

  irc    %s:%s #push     irssi -c %s -p %s -n you, then /join #push
                                or in WeeChat: /server add demo %s/%s -notls, /connect demo, /join #push
  hosts  http://%s/web1/   princess1, web1, web2, web3: folders under %s
  shell  %s -c %s status

`, host, port, host, port, host, port, web.Addr(), filepath.Join(dir, "hosts"), os.Args[0], cfgPath)
	select {
	case <-ready:
	case <-ctx.Done():
	}
	if play {
		p := demoPlay{out: out, irc: server.Addr(), web: "http://" + web.Addr().String(), site: site, start: time.Now()}
		if err := p.run(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("play a push: %w", err)
		}
	}
	if ctx.Err() == nil {
		fmt.Fprintln(out, "\nNow you: join #push and type .join, .princess, .good, .prod, .done; .help says more. Ctrl-C ends the demo.")
	}
	<-ctx.Done()
	select {
	case err := <-ended:
		return err
	default:
		return nil
	}
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

func demoConfig(dir, irc string) string {
	return fmt.Sprintf(`irc:
  server: %q
  tls: false
  nick: pushbot
  channel: "#push"
stacks:
  - name: web
    root: %[2]s/hosts/none/web
    source: {repo: %[2]s/site, branch: main, build: [./build], tree: dist}
    drain: 1s
    stages:
      - name: princess
        hosts: [{name: princess1, local: true, root: %[2]s/hosts/princess1}]
        test: [./test]
      - name: prod
        hosts:
          - {name: web1, local: true, root: %[2]s/hosts/web1}
          - {name: web2, local: true, root: %[2]s/hosts/web2}
          - {name: web3, local: true, root: %[2]s/hosts/web3}
state_dir: %[2]s/state
`, irc, dir)
}

// demoHosts serves /HOST/… through the host's current. The link is resolved once
// a request, so that a request sees one release whole.
func demoHosts(root string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{host}/{path...}", func(w http.ResponseWriter, r *http.Request) {
		hosts, err := os.OpenRoot(root)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer hosts.Close()
		side, err := hosts.Readlink(filepath.Join(r.PathValue("host"), "current"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		tree, err := hosts.OpenRoot(filepath.Join(r.PathValue("host"), side))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer tree.Close()
		http.StripPrefix("/"+r.PathValue("host"), http.FileServerFS(tree.FS())).ServeHTTP(w, r)
	})
	return mux
}
