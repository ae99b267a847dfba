package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// witness looks at docroots from outside the whole time: as a program that opens
// files through the link, as a browser, and as the kernel tells it of the link's name.
type witness struct {
	hosts []string
	roots []string
	urls  []string

	mu       sync.Mutex
	away     map[string]bool // hosts that are not looked at
	problems []string
	opened   int
	asked    int
}

func witnessOf(t testing.TB, hosts, roots, urls []string) *witness {
	w := &witness{hosts: hosts, roots: roots, urls: urls, away: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { w.every(ctx, time.Millisecond, w.open) })
	all.Go(func() { w.every(ctx, 2*time.Millisecond, w.browse) })
	for i := range roots {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.InotifyAddWatch(fd, roots[i], unix.IN_DELETE|unix.IN_MOVED_FROM); err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "inotify")
		all.Go(func() { w.names(f, i) })
		t.Cleanup(func() { f.Close() })
	}
	t.Cleanup(func() { cancel() })
	return w
}

// every does f on one root after the other.
func (w *witness) every(ctx context.Context, pause time.Duration, f func(int) error) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for i := 0; ; i = (i + 1) % len(w.roots) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if w.left(w.hosts[i]) {
			continue
		}
		if err := f(i); err != nil {
			w.found(i, "%v", err)
		}
	}
}

// open reads two files through the link, resolved once.
func (w *witness) open(i int) error {
	w.mu.Lock()
	w.opened++
	w.mu.Unlock()
	pinned, err := os.OpenRoot(filepath.Join(w.roots[i], "current"))
	if err != nil {
		return err
	}
	defer pinned.Close()
	first, err := pinned.ReadFile("parts/1")
	if err != nil {
		return err
	}
	last, err := pinned.ReadFile(fmt.Sprintf("parts/%d", parts))
	if err == nil && !bytes.Equal(first, last) {
		err = fmt.Errorf("a reader saw %q and %q behind one link", first, last)
	}
	return err
}

// browse gets a page that is put together from many files.
func (w *witness) browse(i int) error {
	w.mu.Lock()
	w.asked++
	w.mu.Unlock()
	_, err := get(w.urls[i])
	return err
}

// names reads from the kernel which names were taken away in a root, until f is closed.
func (w *witness) names(f *os.File, i int) {
	buf := make([]byte, 64<<10)
	for {
		n, err := f.Read(buf)
		if err != nil {
			return
		}
		for at := 0; at < n; {
			e := (*unix.InotifyEvent)(unsafe.Pointer(&buf[at]))
			name := string(bytes.TrimRight(buf[at+unix.SizeofInotifyEvent:at+unix.SizeofInotifyEvent+int(e.Len)], "\x00"))
			at += unix.SizeofInotifyEvent + int(e.Len)
			if name == "current" {
				w.found(i, "the link was taken away for a moment")
			}
		}
	}
}

func (w *witness) found(i int, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.away[w.hosts[i]] {
		w.problems = append(w.problems, w.hosts[i]+": "+fmt.Sprintf(format, args...))
	}
}

// leave has a host not looked at, or looked at again.
func (w *witness) leave(host string, away bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away[host] = away
}

// left reports whether a host is not looked at.
func (w *witness) left(host string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.away[host]
}

// said returns what was seen since it was last asked.
func (w *witness) said() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.problems
	w.problems = nil
	if len(p) == 0 {
		return nil
	}
	return fmt.Errorf("%d problems, first: %s", len(p), p[0])
}

// work says how much was looked at.
func (w *witness) work() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("%d opens through the link, %d pages", w.opened, w.asked)
}
