package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fault is one thing that goes wrong while the bot waits at a point.
type fault struct {
	name string
	hold time.Duration // how long it stays, unless all is over before
	// strike makes it so at a point; heal ends it.
	strike func(r *faultRig, point string) (heal func())
}

// fits reports whether the fault makes a difference at a point of a scene: what a
// host does is not changed by the moment in which its answer is recorded.
func (f fault) fits(s scene, point string) bool {
	switch {
	case s.name == "channel" && (strings.HasPrefix(point, "record/deploy.") || strings.HasPrefix(point, "deed/")):
		return false // of its rollout others tell
	case f.name == "kill-bot":
		return true
	case f.name == "full-disk", f.name == "io-error":
		return !s.few || diskOf(point) == ""
	}
	return !s.few && (strings.HasPrefix(point, "record/") == (hostOf(point) == ""))
}

// diskOf is the host whose disk matters at a point; "" = the bot's does.
func diskOf(point string) string {
	if strings.HasPrefix(point, "record/") {
		return "" // the journal is written there
	}
	return hostOf(point)
}

// moment is how long a fault stays that a rollout could wait out.
const moment = 400 * time.Millisecond

// faults are all that can go wrong at a point. A host's faults come to the host of
// the point, or to the run's turn of hosts where the point has none.
func faults() []fault {
	return []fault{
		{"kill-bot", 0, func(r *faultRig, _ string) func() {
			r.bot.kill()
			return func() {}
		}},
		// What becomes of a rollout without the host is decided before it is back.
		{"kill-host", 8 * time.Second, func(r *faultRig, point string) func() {
			host := r.victim(point)
			r.hosts.Stop(host)
			return func() { r.hosts.Start(host) }
		}},
		{"freeze-host", moment, func(r *faultRig, point string) func() {
			host := r.victim(point)
			r.hosts.Hang(host)
			return func() { r.hosts.Resume(host) }
		}},
		{"cut-network", moment, func(r *faultRig, point string) func() {
			w := r.wires[r.victim(point)]
			w.cut(true, true)
			return w.heal
		}},
		{"lose-answers", moment, func(r *faultRig, point string) func() {
			w := r.wires[r.victim(point)]
			w.cut(false, true)
			return w.heal
		}},
		{"full-disk", moment, func(r *faultRig, point string) func() {
			dir := r.state
			if host := diskOf(point); host != "" {
				dir = r.hosts.Srv(host)
			}
			return fillDisk(r.t, dir)
		}},
		{"io-error", moment, func(r *faultRig, point string) func() {
			host := diskOf(point)
			if host == "" {
				return failCalls(r.t, "pwrite64,fdatasync,fsync", r.bot.cmd.Process.Pid)
			}
			return failCalls(r.t, "fsync,fdatasync,syncfs,rename,renameat,mkdir,mkdirat,unlink,unlinkat,symlink,symlinkat,ftruncate,pwrite64", r.hosts.PIDs(host)...)
		}},
	}
}

// fillDisk fills the file system of dir to its last page.
func fillDisk(t testing.TB, dir string) (heal func()) {
	path := filepath.Join(dir, "glut")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4 << 10, 1} {
		for err = nil; err == nil; _, err = f.Write(make([]byte, size)) {
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// failCalls has system calls of processes, and of those that they start, fail with EIO.
func failCalls(t testing.TB, calls string, pids ...int) (heal func()) {
	args := []string{"-f", "-o", os.DevNull, "-e", "trace=" + calls, "-e", "inject=" + calls + ":error=EIO"}
	for _, pid := range pids {
		args = append(args, "-p", fmt.Sprint(pid))
	}
	c := exec.Command("strace", args...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for range pids { // a line for each, also for one that has just ended
		if !lines.Scan() {
			break
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
		}
	}()
	return func() {
		_ = c.Process.Signal(os.Interrupt) // it may have ended with the last of them
		select {
		case <-drained:
		case <-time.After(2 * time.Second): // it waits for a process that is in the middle of vfork(2)
			_ = c.Process.Kill() // what it traced goes on
			<-drained
		}
		_ = c.Wait() // it ends by that signal
	}
}

// wire is the network between the bot and one host: connections that can be cut
// without either end being told.
type wire struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	open  [2]chan struct{} // by direction: closed while bytes pass
	conns map[net.Conn]bool
	ended sync.WaitGroup
}

// newWire leads to a port from a free one of the same address.
func newWire(t testing.TB, to string) *wire {
	ip, _, err := net.SplitHostPort(to)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, to: to, conns: map[net.Conn]bool{}}
	for i := range w.open {
		w.open[i] = make(chan struct{})
		close(w.open[i])
	}
	w.ended.Go(w.accept)
	t.Cleanup(func() {
		l.Close()
		w.heal()
		w.drop()
		w.ended.Wait()
	})
	return w
}

func (w *wire) port() string { return fmt.Sprint(w.listener.Addr().(*net.TCPAddr).Port) }

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.keep(near)
		w.ended.Go(func() {
			defer w.forget(near)
			far, err := net.Dial("tcp", w.to)
			if err != nil {
				return // the near end is told by the close
			}
			w.keep(far)
			defer w.forget(far)
			back := make(chan struct{})
			go func() {
				defer close(back)
				w.carry(far, near, 1)
				near.Close()
			}()
			w.carry(near, far, 0)
			far.Close()
			<-back
		})
	}
}

func (w *wire) keep(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[c] = true
}

func (w *wire) forget(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
	c.Close()
}

// carry moves bytes while the wire is whole; an end that hangs up is not told of
// either while it is cut.
func (w *wire) carry(from, to net.Conn, direction int) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		open := w.open[direction]
		w.mu.Unlock()
		<-open
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// cut stops what goes to the host, what comes from it, or both.
func (w *wire) cut(there, back bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, cut := range []bool{there, back} {
		if cut {
			w.open[i] = make(chan struct{})
		}
	}
}

// heal makes the wire whole for new connections; those of before are dead.
func (w *wire) heal() {
	w.drop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.open {
		select {
		case <-w.open[i]:
		default:
			close(w.open[i])
		}
	}
}

func (w *wire) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.Close()
	}
}

// sshConfig is the hosts' ssh_config with the wires in the way.
func sshConfig(t testing.TB, dir, config string, names []string, wires map[string]*wire) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "Host %s\n\tPort %s\n", name, wires[name].port())
	}
	fmt.Fprintf(&b, "Host *\n\tInclude %s\n", config)
	path := filepath.Join(dir, "ssh_config")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
