package host

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A session that holds the lock ends when it is not heard any more, and its lock
// with it; one that is heard, or holds nothing, stays.
func TestSilence(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := dial(t, root)
		a.must(Request{Do: Status})
		time.Sleep(time.Hour)
		a.must(Request{Do: Lock})
		for range 10 {
			time.Sleep(Silence - time.Millisecond)
			a.must(Request{Do: Status})
		}
		for range 10 { // half a request is heard as well
			time.Sleep(Silence - time.Millisecond)
			if _, err := a.in.Write([]byte(" ")); err != nil {
				t.Fatal(err)
			}
		}
		a.must(Request{Do: Status})
		a.must(Request{Do: Unlock})
		time.Sleep(time.Hour)
		a.must(Request{Do: Lock})

		b := dial(t, root)
		time.Sleep(Silence - time.Second)
		b.refused(Request{Do: Lock}, Locked, "locked for rollout 1")
		time.Sleep(2 * time.Second)
		b.must(Request{Do: Lock})
		if err := <-a.ended; !errors.Is(err, ErrSilent) {
			t.Errorf("the silent session ended with %v", err)
		}
		close(a.ended)
	})
}

// The time that a request takes is not the bot's silence.
func TestSilenceIsNotWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, bot := net.Pipe()
		heard := listen(in)
		defer bot.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for ctx.Err() == nil {
				if _, err := bot.Write([]byte("x\n")); err != nil {
					return
				}
				time.Sleep(Silence - time.Second)
			}
		}()
		for range 3 {
			if line, err := heard.next(maxLine, true); string(line) != "x" || err != nil {
				t.Fatalf("next() = %q, %v", line, err)
			}
			time.Sleep(10 * time.Minute) // it works
		}
		cancel()
		for range 3 { // what was sent meanwhile
			if _, err := heard.next(maxLine, true); errors.Is(err, ErrSilent) {
				return
			}
		}
		t.Error("silence is not noticed")
	})
}
