package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushtrain/train"
)

// slowStats answers when it is let.
type slowStats struct {
	*shown
	let chan struct{}
}

func (s slowStats) Stats(context.Context, int, string) (train.Stats, error) {
	<-s.let
	return train.Stats{}, nil
}

// pipes is a net.Listener in a bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error { close(p.closed); return nil }

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial sends a request and returns where its answer comes.
func (p pipes) dial(path string) *bufio.Reader {
	mine, theirs := net.Pipe()
	p.conns <- theirs
	fmt.Fprintf(mine, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	return bufio.NewReader(mine)
}

// TestEnd: when the bot ends, streams end at once; an answer that is on its way is
// waited for, and one that takes too long is not.
func TestEnd(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			src := slowStats{newShown(t, busy(time.Now())), make(chan struct{})}
			p := pipes{make(chan net.Conn), make(chan struct{})}
			ctx, cancel := context.WithCancel(t.Context())
			began, ended := time.Now(), make(chan time.Duration, 1)
			go func() {
				if err := New(Config{}, src).Serve(ctx, p); err != nil {
					t.Error(err)
				}
				ended <- time.Since(began)
			}()
			stream, stats := p.dial("/events"), p.dial("/stats.json")
			read := make(chan string, 1)
			go func() {
				text, err := io.ReadAll(stream)
				if err != nil {
					t.Errorf("the stream ends with %v", err)
				}
				read <- string(text)
			}()
			synctest.Wait()
			cancel()
			synctest.Wait()
			select {
			case text := <-read:
				if !strings.Contains(text, "event: now") || !strings.HasSuffix(text, "\r\n0\r\n\r\n") {
					t.Errorf("the stream was cut off: …%q", text[max(0, len(text)-100):])
				}
			default:
				t.Error("the stream goes on")
			}
			select {
			case <-ended:
				t.Error("an answer was on its way")
			default:
			}
			if late {
				if took := <-ended; took != closeTime {
					t.Errorf("the end took %v", took)
				}
				close(src.let)
				return
			}
			close(src.let)
			res, err := http.ReadResponse(stats, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
				t.Errorf("the answer: %d, %v", res.StatusCode, err)
			}
			if took := <-ended; took >= closeTime {
				t.Errorf("the end took %v", took)
			}
		})
	}
}
