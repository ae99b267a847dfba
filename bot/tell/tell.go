// Package tell passes the deploy log on to other machines as it grows: to webhooks
// each entry, to Graphite and StatsD a marker for each rollout that went live.
//
// It never makes anybody wait. Each receiver has a goroutine and a bounded queue of
// its own; one that does not answer loses what its queue has no room for, which is
// logged. What is told is not kept: entries that wait when the bot ends badly are lost
// to the receivers, and the page's /log.json has them.
package tell

import (
	"context"
	"errors"
	"log"
	"sync"
	"time"

	"pushtrain/bot"
)

// Config says who is told. The zero Config tells nobody.
type Config struct {
	Webhooks []Webhook
	Graphite string      // host:port of its plaintext protocol, TCP; "" = none
	StatsD   string      // host:port, UDP; "" = none
	Errors   *log.Logger // is told what could not be told; required
}

const (
	waiting  = 100              // entries that wait for one receiver
	patience = 10 * time.Second // for one try
)

// times are how long a Teller tries.
type times struct {
	pause time.Duration // between the first and the second try of an entry; each one is twice the one before
	tries int
	grace time.Duration // for all that still waits when Close is called
}

// usual is some four minutes for an entry.
func usual() times { return times{pause: time.Second, tries: 9, grace: 5 * time.Second} }

// Teller tells. Its methods may be called from several goroutines, but Tell not after Close.
type Teller struct {
	times  times
	all    []*receiver
	errors *log.Logger
	over   chan struct{} // closed by Close
	ctx    context.Context
	stop   context.CancelFunc
	work   sync.WaitGroup
}

// receiver is one of those that are told.
type receiver struct {
	name  string
	wants func(bot.Entry) bool
	// ready makes of an entry what is sent at each try.
	ready func(bot.Entry) func(context.Context) error
	queue chan bot.Entry
}

// final is an error after which another try makes no sense.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// Start begins to tell. The caller calls Close.
func Start(cfg Config) *Teller { return start(cfg, usual()) }

func start(cfg Config, how times) *Teller {
	t := &Teller{times: how, errors: cfg.Errors, over: make(chan struct{})}
	t.ctx, t.stop = context.WithCancel(context.Background())
	for _, h := range cfg.Webhooks {
		t.add(h.receiver())
	}
	if cfg.Graphite != "" {
		t.add(graphite(cfg.Graphite))
	}
	if cfg.StatsD != "" {
		t.add(statsd(cfg.StatsD))
	}
	return t
}

func (t *Teller) add(r *receiver) {
	r.queue = make(chan bot.Entry, waiting)
	t.all = append(t.all, r)
	t.work.Go(func() { t.serve(r) })
}

// Tell queues an entry for all who want it. It does not wait.
func (t *Teller) Tell(e bot.Entry) {
	for _, r := range t.all {
		if !r.wants(e) {
			continue
		}
		select {
		case r.queue <- e:
		default:
			t.errors.Printf("%s has not been told of %s: %d entries wait for it already", r.name, e, waiting)
		}
	}
}

// Close gives what still waits one try, and no more than 5 seconds in all.
func (t *Teller) Close() {
	close(t.over)
	end := time.AfterFunc(t.times.grace, t.stop)
	t.work.Wait()
	end.Stop()
	t.stop()
}

func (t *Teller) serve(r *receiver) {
	for {
		select {
		case e := <-r.queue:
			t.deliver(r, e)
			continue
		case <-t.over:
		}
		for {
			select {
			case e := <-r.queue:
				t.deliver(r, e)
			default:
				return
			}
		}
	}
}

// deliver tries until the receiver has it, or there is no use.
func (t *Teller) deliver(r *receiver, e bot.Entry) {
	send := r.ready(e)
	pause := t.times.pause
	for try := 1; ; try++ {
		ctx, cancel := context.WithTimeout(t.ctx, patience)
		err := send(ctx)
		cancel()
		if err == nil {
			return
		}
		var f final
		if errors.As(err, &f) || try == t.times.tries || !t.pause(pause) {
			t.errors.Printf("%s has not been told of %s: %v", r.name, e, err)
			return
		}
		pause *= 2
	}
}

// pause waits, and reports whether there is time for another try.
func (t *Teller) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.over:
		return false
	}
}
