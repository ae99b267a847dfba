package irctest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Tap is a way to a server that notes what is sent there, byte for byte. Its methods
// may be called from any goroutine.
type Tap struct {
	Addr string // where it is entered
	ways sync.WaitGroup

	mu    sync.Mutex
	to    string
	links int
	sent  []byte
	open  map[net.Conn]bool
}

// NewTap opens a tap, to a server, that ends with the test.
func NewTap(t testing.TB, server string) *Tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Tap{Addr: l.Addr().String(), to: server, open: map[net.Conn]bool{}}
	w.ways.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.ways.Go(func() { w.way(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.Cut()
		w.ways.Wait()
	})
	return w
}

// To has the next links go to another server.
func (w *Tap) To(server string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = server
}

// Cut ends all links.
func (w *Tap) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for conn := range w.open {
		_ = conn.Close()
	}
}

// Links is how many links there were.
func (w *Tap) Links() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.links
}

// Sent is all that was sent to servers.
func (w *Tap) Sent() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.sent)
}

func (w *Tap) way(conn net.Conn) {
	w.mu.Lock()
	w.links++
	to := w.to
	w.open[conn] = true
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.open, conn)
		w.mu.Unlock()
		_ = conn.Close()
	}()
	up, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer up.Close()
	w.ways.Go(func() {
		_, _ = io.Copy(conn, up) // ends with either link
		_ = conn.Close()
	})
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		w.mu.Lock()
		w.sent = append(w.sent, buf[:n]...)
		w.mu.Unlock()
		if _, werr := up.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}
