package irc

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"pushtrain/bot/irc/irctest"
	"pushtrain/bot/ircd"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// girc sleeps 2 s after a welcome, whatever happens to the link, and leaves
		// goroutines at its state's lock after a panic.
		goleak.IgnoreAnyFunction("github.com/lrstanley/girc.handleConnect"),
		goleak.IgnoreAnyFunction("github.com/lrstanley/girc.(*Client).internalConnect"),
		goleak.IgnoreAnyFunction("github.com/lrstanley/girc.(*Client).execLoop"),
		goleak.IgnoreAnyFunction("github.com/lrstanley/girc.(*Caller).exec.func1"),
		goleak.IgnoreAnyFunction("github.com/lrstanley/girc.(*state).notify.func1"),
	)
}

// reader reads the events of a running link.
type reader struct {
	t      *testing.T
	link   *Link
	events chan Event
	stop   func() // ends the link and waits for Run
}

// open runs a link as "bot" in #push of addr until the test ends.
func open(t *testing.T, addr string, change ...func(*Config)) *reader {
	t.Helper()
	cfg := Config{Server: addr, Nick: "bot", Channel: "#push", QuitReason: "going home", Log: zerolog.New(zerolog.NewTestWriter(t))}
	for _, c := range change {
		c(&cfg)
	}
	return run(t, New(cfg))
}

func run(t *testing.T, link *Link) *reader {
	ctx, cancel := context.WithCancel(t.Context())
	r := &reader{t: t, link: link, events: make(chan Event)}
	done := make(chan error, 1)
	go func() { done <- link.Run(ctx, r.events) }()
	r.stop = func() {
		t.Helper()
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
			done <- nil
		case <-time.After(irctest.Patience):
			t.Error("Run does not end")
		}
	}
	t.Cleanup(r.stop)
	return r
}

// next waits for an event of type T that ok accepts; others are passed over. A nil ok accepts all.
func next[T Event](r *reader, ok func(T) bool) T {
	r.t.Helper()
	return nextIn(r, irctest.Patience, ok)
}

func nextIn[T Event](r *reader, wait time.Duration, ok func(T) bool) T {
	r.t.Helper()
	var seen []string
	over := time.After(wait)
	for {
		select {
		case e := <-r.events:
			if match, is := e.(T); is && (ok == nil || ok(match)) {
				return match
			}
			seen = append(seen, fmt.Sprintf("%T%+v", e, e))
		case <-over:
			var want T
			r.t.Fatalf("no %T within %v; events:\n%s", want, wait, strings.Join(seen, "\n"))
		}
	}
}

func listen(t *testing.T, opts ircd.Options) *ircd.Server {
	t.Helper()
	server, err := ircd.Listen("127.0.0.1:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}
