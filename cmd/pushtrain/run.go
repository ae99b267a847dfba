package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

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
			path, err := findConfig(o.config)
			if err != nil {
				return &exitError{exitConfig, err}
			}
			read := func() (Config, error) { return loadConfigFile(path) }
			cfg, err := read()
			if err != nil {
				return &exitError{exitConfig, err}
			}
			if err := needTools(toolsOf(cfg)...); err != nil {
				return err
			}
			tell, err := newNotifier()
			if err != nil {
				return exit(exitUnavailable, "%w", err)
			}
			return serveBot(c.Context(), cfg, newLog(c.ErrOrStderr(), o), service{read: read, hup: hangUps(), tell: tell})
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

// state is what a bot has open.
type state struct {
	log     zerolog.Logger
	journal *store.Store
	fleet   *fleet.Fleet
}

// assemble makes a bot of a configuration. The caller closes its state.
func assemble(cfg Config, chat bot.Chat, how bot.Config) (*bot.Bot, *state, error) {
	st, err := openStore(cfg)
	if err != nil {
		return nil, nil, err
	}
	s := &state{log: how.Log, journal: st}
	if s.fleet, err = s.openFleet(cfg); err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	b, err := bot.New(how, st, chat, s.fleet)
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return b, s, nil
}

// openFleet opens the hosts of a configuration; they are told of the journal at each flip.
func (s *state) openFleet(cfg Config) (*fleet.Fleet, error) {
	c := fleetConfig(cfg)
	c.Witness = func() string {
		text, err := s.journal.Witness()
		if err != nil {
			s.log.Error().Err(err).Msg("say what the journal holds")
		}
		return text
	}
	return fleet.Open(c)
}

func (s *state) close() {
	if err := errors.Join(s.fleet.Close(), s.journal.Close()); err != nil {
		s.log.Warn().Err(err).Msg("close the state")
	}
}

// journalPath is where the journal of a configuration is.
func journalPath(cfg Config) string { return filepath.Join(cfg.StateDir, "journal.db") }

// needOwner keeps root from leaving files in a folder of the bot's that the bot can't read.
func needOwner(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return nil // who may not write there will hear of it
	}
	id := info.Sys().(*syscall.Stat_t).Uid
	if id == 0 {
		return nil
	}
	name := fmt.Sprint(id)
	if u, err := user.LookupId(fmt.Sprint(id)); err == nil {
		name = u.Username
	}
	return exit(exitUsage, "%s is not root's: run it as the user that the bot runs as, `runuser -u %s -- pushtrain …`", dir, name)
}

func openStore(cfg Config) (*store.Store, error) {
	if err := needOwner(cfg.StateDir); err != nil {
		return nil, err
	}
	st, err := store.Open(journalPath(cfg))
	var damaged *store.Damaged
	switch {
	case errors.Is(err, store.ErrBusy):
		return nil, &exitError{exitNotNow, err}
	case errors.As(err, &damaged), errors.Is(err, store.ErrNewer):
		return nil, &exitError{bot.ExitLook, err}
	case err != nil:
		return nil, &exitError{exitFailed, err}
	}
	return st, nil
}

// service is what a bot has around it. The zero service is nothing.
type service struct {
	ready func()                 // is called when the bot is first in the channel
	read  func() (Config, error) // reads the configuration again; nil = there is no file
	hup   <-chan os.Signal       // each has it read again
	tell  *notifier              // nil = nobody
}

// serveBot runs the bot with its channel, its socket and its page until ctx ends.
// A page that can't be opened is no reason to stop the trains.
func serveBot(ctx context.Context, cfg Config, log zerolog.Logger, around service) error {
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
	return serveOn(ctx, cfg, log, page, around)
}

// serveOn is serveBot with the page's listener, which it closes; nil = no page.
func serveOn(ctx context.Context, cfg Config, log zerolog.Logger, page net.Listener, around service) error {
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
	how := botConfig(cfg, log, around.ready)
	how.Secrets = known.hidden()
	w := &working{log: log, teller: tell.Start(tellConfig(cfg, known, log))}
	w.now.Store(&held{cfg, known})
	defer func() { w.teller.Close() }() // when the bot has said its last
	how.Entered = func(e bot.Entry) { w.teller.Tell(e) }
	if around.tell != nil {
		how.Beat = around.tell.beat
		defer context.AfterFunc(ctx, func() { around.tell.say("STOPPING=1") })()
	}
	if around.read != nil {
		how.Reread = func(removed []string) (*bot.Change, int, []string) { return w.reread(around, removed) }
	}
	b, st, err := assemble(cfg, link, how)
	if err != nil {
		return err
	}
	w.state = st
	defer st.close()
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
	parts.Go(func() { hear(ctx, b, around.hup) })
	if page != nil {
		w.site = web.New(webConfig(cfg, log), b)
		parts.Go(func() {
			if err := w.site.Serve(ctx, page); err != nil {
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
			if err := needOwner(cfg.StateDir); err != nil {
				return err
			}
			if err := store.Restore(args[0], journalPath(cfg)); err != nil {
				if errors.Is(err, store.ErrBusy) {
					return exit(exitNotNow, "%w: stop it first", err)
				}
				return exit(exitFailed, "%w", err)
			}
			if err := markRestored(cfg, args[0]); err != nil {
				return err
			}
			o.tell(c.OutOrStdout(), args[0]+" is the journal now; `pushtrain run` goes on from it", map[string]string{"restored": args[0]})
			return nil
		},
	}
}

// markRestored has the next bot read in the topic who has joined since the copy, and
// the journal say who had it go on from there.
func markRestored(cfg Config, file string) error {
	st, err := openStore(cfg)
	if err != nil {
		return err
	}
	rec, err := bot.RestoreRecord(time.Now().Round(0), shellUser(), file)
	if err != nil {
		return err // unreachable: it is plain data
	}
	if err := errors.Join(st.Commit([]store.Record{rec}, map[string][]byte{bot.Restored: []byte("true")}), st.Close()); err != nil {
		return exit(exitFailed, "%w", err)
	}
	return nil
}
