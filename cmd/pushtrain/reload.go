package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"pushtrain/bot"
	"pushtrain/bot/tell"
	"pushtrain/bot/web"
	"pushtrain/deploy/fleet"
)

func reloadCommand(o *options) *cobra.Command {
	var removed []string
	c := &cobra.Command{
		Use: "reload", Short: "Have the running bot read its configuration again", Args: cobra.NoArgs,
		Long: `Have the running bot read its configuration again. One with a mistake is refused as a
whole, and so is one that lacks a host which the bot has, unless --remove names it.
Rollouts that are under way end as they began. What only a restart can change is named.`,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err // the bot would say the same
			}
			req := bot.Request{Do: "reload", By: shellUser(), Remove: removed}
			code, err := bot.Call(c.Context(), cfg.StateDir, req, o.print(req, c.OutOrStdout(), c.ErrOrStderr()))
			switch {
			case errors.Is(err, bot.ErrNoBot):
				return exit(exitNotNow, "%w: `pushtrain run` reads the configuration when it starts", err)
			case err != nil:
				return exit(max(code, exitFailed), "%w", err)
			case code != 0:
				return &exitError{code: code}
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&removed, "remove", nil, "this `HOST` may be gone from the configuration; several may be given")
	return c
}

// hangUps is told of each SIGHUP from now on, which ends the program no more.
func hangUps() <-chan os.Signal {
	hup := make(chan os.Signal, 1)
	signal.Ignore(syscall.SIGHUP) // takes it from withSignals
	signal.Notify(hup, syscall.SIGHUP)
	return hup
}

// working is what a bot works with until a reload replaces it.
type working struct {
	log zerolog.Logger
	now atomic.Pointer[held]

	// Owned by the bot's Run while it runs.
	state  *state // its fleet is replaced
	teller *tell.Teller
	site   *web.Server // nil = there is no page
}

// held is a configuration with its secrets.
type held struct {
	cfg   Config
	known secrets
}

// reread compares what the file holds now with what the bot works with.
func (w *working) reread(around service, removed []string) (*bot.Change, int, []string) {
	if around.tell != nil {
		around.tell.say("RELOADING=1")
		defer around.tell.say("READY=1")
	}
	next, err := readNext(around.read)
	if err != nil {
		mistakes := strings.Split(err.Error(), "\n")
		w.log.Error().Strs("mistakes", mistakes).Msg("not reloaded: the configuration of before stays")
		return nil, exitConfig, mistakes
	}
	now := w.now.Load()
	var fixed []string
	next.cfg, fixed = keepFixed(now.cfg, next.cfg)
	if next.known.irc != now.known.irc {
		fixed = append(fixed, "a password of irc is another")
	}
	next.known.irc = now.known.irc
	if code, why := mayRemove(now.cfg, next.cfg, removed); code != 0 {
		w.log.Error().Strs("why", why).Msg("not reloaded: the configuration of before stays")
		return nil, code, why
	}
	differs := diffConfig(now.cfg, next.cfg)
	if !reflect.DeepEqual(now.known, next.known) {
		differs = append(differs, "a secret of tell.webhooks is another")
	}
	said := slices.Clone(differs)
	for _, key := range fixed {
		said = append(said, key+": restart to have it")
	}
	if len(said) == 0 {
		said = []string{"nothing is different"}
	}
	w.log.Info().Strs("differs", differs).Strs("restart", fixed).Msg("the configuration was read again")
	if len(differs) == 0 {
		return nil, 0, said
	}
	return w.change(next, strings.Join(differs, "; ")), 0, said
}

// readNext reads a configuration with all that it names.
func readNext(read func() (Config, error)) (held, error) {
	cfg, err := read()
	if err != nil {
		return held{}, err
	}
	if err := needTools(toolsOf(cfg)...); err != nil {
		return held{}, err
	}
	known, err := readSecrets(cfg)
	return held{cfg, known}, err
}

// mayRemove says with which code and why not, unless all hosts that are gone, and no others, are in removed.
func mayRemove(old, next Config, removed []string) (code int, why []string) {
	places, names := goneHosts(old, next)
	for _, name := range removed {
		if !slices.Contains(names, name) {
			return exitUsage, []string{fmt.Sprintf("--remove %s: no stage has lost a host of that name", name)}
		}
	}
	for i, name := range names {
		if !slices.Contains(removed, name) {
			why = append(why, fmt.Sprintf("%s would be removed: `pushtrain reload --remove %s`, if that is meant", places[i], name))
		}
	}
	if len(why) > 0 {
		return exitNotNow, why
	}
	return 0, nil
}

// change makes the bot work with next.
func (w *working) change(next held, text string) *bot.Change {
	how := botConfig(next.cfg, w.log, nil)
	how.Secrets = next.known.hidden()
	var fresh, oldFleet *fleet.Fleet
	var oldTeller *tell.Teller
	return &bot.Change{
		Config: how,
		Text:   text,
		Open: func() (bot.Deployer, error) {
			var err error
			fresh, err = w.state.openFleet(next.cfg)
			return fresh, err
		},
		Taken: func() {
			now := w.now.Load()
			oldFleet, w.state.fleet = w.state.fleet, fresh
			if !reflect.DeepEqual(now.cfg.Tell, next.cfg.Tell) || !reflect.DeepEqual(now.known, next.known) {
				oldTeller, w.teller = w.teller, tell.Start(tellConfig(next.cfg, next.known, w.log))
			}
			if w.site != nil {
				w.site.Replace(webConfig(next.cfg, w.log))
			}
			w.now.Store(&next)
			w.log.Info().Msg("the configuration holds")
		},
		Left: func() {
			if err := oldFleet.Close(); err != nil {
				w.log.Warn().Err(err).Msg("close the hosts of before")
			}
			if oldTeller != nil {
				oldTeller.Close()
			}
		},
	}
}

// hear has the bot reload at each hang-up, until ctx ends.
func hear(ctx context.Context, b *bot.Bot, hup <-chan os.Signal) {
	for {
		select {
		case <-hup:
			_, _ = b.Ask(ctx, bot.Request{Do: "reload", By: "SIGHUP"}, func(bot.Reply) {}) // the log has what it says
		case <-ctx.Done():
			return
		}
	}
}
