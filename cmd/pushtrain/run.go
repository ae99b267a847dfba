package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"pushtrain/bot"
	"pushtrain/bot/irc"
	"pushtrain/bot/store"
	"pushtrain/bot/tell"
	"pushtrain/bot/web"
	"pushtrain/deploy/fleet"
)

func runCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "run", Short: "Run the bot in the foreground", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			if err := needTools(toolsOf(cfg)...); err != nil {
				return err
			}
			return serveBot(c.Context(), cfg, newLog(c.ErrOrStderr(), o), nil)
		},
	}
}

// newLog writes JSON, or lines for a person on a terminal.
func newLog(w io.Writer, o *options) zerolog.Logger {
	level := zerolog.InfoLevel
	if o.verbose {
		level = zerolog.DebugLevel
	}
	if o.quiet {
		level = zerolog.WarnLevel
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		w = zerolog.ConsoleWriter{Out: f, NoColor: os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

// toolPackages are the Debian packages of the tools that pushtrain calls.
var toolPackages = map[string]string{"git": "git", "rsync": "rsync", "ssh": "openssh-client"}

// toolsOf are the tools that the rollouts of a configuration need.
func toolsOf(cfg Config) []string {
	tools := []string{"git", "rsync"}
	for _, s := range cfg.Stacks {
		for _, g := range s.Stages {
			if slices.ContainsFunc(g.Hosts, func(h HostConfig) bool { return !h.Local }) {
				return append(tools, "ssh")
			}
		}
	}
	return tools
}

func needTools(names ...string) error {
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			return exit(exitUnavailable, "%s is missing: apt-get install %s", name, toolPackages[name])
		}
	}
	return nil
}

// assemble makes a bot of a configuration. The func that it returns closes what it opened.
func assemble(cfg Config, chat bot.Chat, how bot.Config) (*bot.Bot, func(), error) {
	st, err := openStore(cfg)
	if err != nil {
		return nil, nil, err
	}
	fc := fleetConfig(cfg)
	fc.Witness = func() string {
		text, err := st.Witness()
		if err != nil {
			how.Log.Error().Err(err).Msg("say what the journal holds")
		}
		return text
	}
	f, err := fleet.Open(fc)
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	shut := func() {
		if err := errors.Join(f.Close(), st.Close()); err != nil {
			how.Log.Warn().Err(err).Msg("close the state")
		}
	}
	b, err := bot.New(how, st, chat, f)
	if err != nil {
		shut()
		return nil, nil, err
	}
	return b, shut, nil
}

// journalPath is where the journal of a configuration is.
func journalPath(cfg Config) string { return filepath.Join(cfg.StateDir, "journal.db") }

func openStore(cfg Config) (*store.Store, error) {
	st, err := store.Open(journalPath(cfg))
	var damaged *store.Damaged
	switch {
	case errors.Is(err, store.ErrBusy):
		return nil, &exitError{exitNotNow, err}
	case errors.As(err, &damaged):
		return nil, &exitError{bot.ExitLook, err}
	case err != nil:
		return nil, &exitError{exitFailed, err}
	}
	return st, nil
}

// serveBot runs the bot with its channel, its socket and its page until ctx ends.
// A page that can't be opened is no reason to stop the trains.
func serveBot(ctx context.Context, cfg Config, log zerolog.Logger, ready func()) error {
	var page net.Listener
	if cfg.Web.Listen != "" {
		var err error
		if page, err = net.Listen("tcp", cfg.Web.Listen); err != nil {
			log.Error().Err(err).Msg("there is no page: web.listen can't be opened")
		}
		if file := cfg.Web.Auth.PasswordFile; file != "" {
			if err := web.CheckPasswords(file); err != nil {
				log.Error().Err(err).Msg("nobody can log in to the page: web.auth.password_file can't be read")
			}
		}
	}
	return serveOn(ctx, cfg, log, page, ready)
}

// serveOn is serveBot with the page's listener, which it closes; nil = no page.
func serveOn(ctx context.Context, cfg Config, log zerolog.Logger, page net.Listener, ready func()) error {
	if page != nil {
		defer page.Close()
	}
	known, err := readSecrets(cfg)
	if err != nil {
		return &exitError{exitConfig, err}
	}
	ircCfg, err := ircConfig(cfg, known, log)
	if err != nil {
		return err
	}
	link := irc.New(ircCfg)
	how := botConfig(cfg, log, ready)
	how.Secrets = known.hidden(cfg)
	teller := tell.Start(tellConfig(cfg, known, log))
	defer teller.Close() // when the bot has said its last
	how.Entered = teller.Tell
	b, shut, err := assemble(cfg, link, how)
	if err != nil {
		return err
	}
	defer shut()
	socket, err := bot.Listen(cfg.StateDir)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()
	events := make(chan irc.Event)
	failed := make(chan error, 1)
	parts.Go(func() { b.Serve(ctx, socket) })
	parts.Go(func() { b.Deliver(ctx, events) })
	parts.Go(func() {
		if err := link.Run(ctx, events); err != nil {
			failed <- err
			stop()
		}
	})
	if page != nil {
		site := web.New(webConfig(cfg, log), b)
		parts.Go(func() {
			if err := site.Serve(ctx, page); err != nil {
				log.Error().Err(err).Msg("the page has ended")
			}
		})
		log.Info().Str("page", "http://"+page.Addr().String()+"/").Msg("the page is open")
	}
	log.Info().Str("server", cfg.IRC.Server).Str("channel", cfg.IRC.Channel).Msg("pushtrain " + buildVersion())
	err = b.Run(ctx)
	stop()
	parts.Wait()
	select {
	case lerr := <-failed:
		err = errors.Join(err, lerr)
	default:
	}
	if err != nil {
		return &exitError{exitFailed, fmt.Errorf("run the bot: %w", err)}
	}
	return nil
}

func restoreCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "Take up the journal from a copy; the damaged one is kept beside it", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			if err := store.Restore(args[0], journalPath(cfg)); err != nil {
				if errors.Is(err, store.ErrBusy) {
					return exit(exitNotNow, "%w: stop it first", err)
				}
				return exit(exitFailed, "%w", err)
			}
			o.tell(c.OutOrStdout(), args[0]+" is the journal now; `pushtrain run` goes on from it", map[string]string{"restored": args[0]})
			return nil
		},
	}
}
