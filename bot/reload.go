package bot

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"pushtrain/deploy"
	"pushtrain/train"
)

// This file has the bot go on with another configuration.

// Change is what a running bot goes on with.
type Change struct {
	// Config has the new Rules, Fleets, Prefix, People, Ops, Diffs, Secrets, Open,
	// Audit and Hours. The rest of it stays as it is.
	Config Config
	// Text says what is different. It goes into the deploy log, so it holds no secret.
	Text string
	// Open returns the new Deployer. When it fails, all stays as it is.
	Open func() (Deployer, error)
	// Taken is called by Run when the change holds. It must not wait.
	Taken func()
	// Left is called when nobody uses the Deployer of before any more. It may wait.
	Left func()
}

// change is a Change that waits for the end of the rollouts that are under way.
type change struct {
	Change
	by train.Who
}

// crew is a Deployer with the jobs that use it.
type crew struct {
	Deployer
	ctx   context.Context // ends with the bot, or when another crew takes over
	leave context.CancelFunc
	jobs  sync.WaitGroup
}

// with does f beside the bot's other work.
func (b *Bot) with(f func(c *crew)) {
	c := b.crew
	c.jobs.Add(1)
	b.jobs.Go(func() {
		defer c.jobs.Done()
		f(c)
	})
}

// archive does f likewise, which may write where releases are kept: no other crew
// takes over meanwhile. What f returns is done in Run's goroutine.
func (b *Bot) archive(f func(c *crew) func()) {
	b.archiving++
	b.with(func(c *crew) {
		then := f(c)
		b.hand(func() {
			b.archiving--
			then()
		})
	})
}

// askReload has the configuration read, and takes it up as soon as may be.
func (b *Bot) askReload(a *ask, by train.Who) {
	var err error
	switch {
	case b.cfg.Reread == nil:
		err = &train.Refusal{Code: "no file", Text: "this bot has no file to read again"}
	case b.rereading:
		err = &train.Refusal{Code: "twice", Text: "the configuration is being read already"}
	}
	if err != nil {
		b.noteRefusal(by, "reload", nil, err)
		b.end(a, ExitNotNow, nil, err.Error())
		return
	}
	b.rereading = true
	b.deeds = append(b.deeds, func() {
		b.jobs.Go(func() {
			next, exit, said := b.cfg.Reread(a.req.Remove)
			b.hand(func() {
				b.rereading = false
				switch {
				case next != nil:
					b.change = &change{*next, by}
					if err := b.takeUp(); err != nil {
						exit, said = ExitFailed, append(said, err.Error())
					}
				case exit == ExitDone:
					b.change = nil // what waited was taken back
				default:
					b.noteRefusal(by, "reload", nil, &train.Refusal{Code: "reload", Text: strings.Join(said, "; ")})
				}
				if next != nil && b.change != nil {
					said = append(said, "it holds when what is under way has ended")
				}
				b.end(a, exit, nil, said...)
			})
		})
	})
}

// takeUp goes on with the configuration that waits, unless a rollout is under way or
// releases are being written: the Deployer of one configuration must not be cut off,
// nor write beside that of another. A rollout that is STUCK goes on with the new one.
func (b *Bot) takeUp() error {
	c := b.change
	if c == nil || len(b.open) > 0 || b.archiving > 0 || b.full {
		return nil
	}
	for _, r := range b.book.Open {
		if r.State != deploy.Stuck {
			return nil
		}
	}
	b.change = nil
	d, err := c.Open()
	if err != nil {
		b.cfg.Log.Error().Err(err).Msg("the configuration of before stays")
		b.noteRefusal(c.by, "reload", nil, err)
		return err
	}
	err = b.apply(c.by, train.Log{Text: "reloaded: " + c.Text})
	if err != nil {
		b.cfg.Log.Error().Err(err).Msg("write down what is different") // unreachable: nothing refuses a line
	}
	old := b.crew
	b.crew = &crew{Deployer: discreet{d, c.Config.Secrets}}
	b.crew.ctx, b.crew.leave = context.WithCancel(b.ctx)
	n := c.Config
	n.fill()
	b.cfg.Rules, b.cfg.Fleets, b.cfg.Prefix, b.cfg.People, b.cfg.Ops, b.cfg.Diffs, b.cfg.Secrets, b.cfg.Open, b.cfg.Audit, b.cfg.Hours =
		n.Rules, n.Fleets, n.Prefix, n.People, n.Ops, n.Diffs, n.Secrets, n.Open, n.Audit, n.Hours
	b.ear.setPrefix(n.Prefix)
	b.configure()
	b.seasonBegins, b.seasonEnds = time.Time{}, time.Time{}
	b.hours()
	b.forgetGone()
	old.leave()
	b.startWatching()
	c.Taken()
	b.jobs.Go(func() {
		old.jobs.Wait()
		c.Left()
	})
	return nil
}

// configure brings the rules in.
func (b *Bot) configure() {
	b.commands = Commands(b.cfg.Rules)
	if !reflect.DeepEqual(b.train.Rules, b.cfg.Rules) {
		b.must(train.Who{}, train.Configured{Rules: b.cfg.Rules})
	}
}

// forgetGone drops what is known of hosts and logs that the configuration has no more.
func (b *Bot) forgetGone() {
	for t, hosts := range b.drift {
		maps.DeleteFunc(hosts, func(name string, _ drift) bool { return !slices.Contains(b.cfg.Fleets[t].Hosts, name) })
	}
	maps.DeleteFunc(b.watches, func(t deploy.Target, w *watcher) bool { return !reflect.DeepEqual(b.cfg.Fleets[t].Watch, w.how) })
}
