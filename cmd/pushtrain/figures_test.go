package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/bot/irc/irctest"
)

var (
	fullFigures = flag.Bool("figures", false, "make the figures of TestFigures at their full size")
	withPeers   = flag.Bool("peers", false, "and measure the tools of others that are installed")
)

// TestFigures measures the program as `make build` makes it, and prints one table.
// No time fails it: times are for a person to compare, and only with those of the
// same run. Without -figures it is this test program, and all is so small that it
// shows no more than that the figures are made of the right things.
func TestFigures(t *testing.T) {
	f := &figures{t: t, full: *fullFigures, disk: onDisk(t), dir: t.TempDir(), program: os.Args[0]}
	if f.full {
		f.program = program(t)
	}
	f.add("", "size", "%s; state and docroots on %s", size(f.full), f.disk)
	t.Run("topic", f.topic)
	t.Run("joins", f.joins)
	t.Run("memory", f.memory)
	t.Run("stats", f.stats)
	t.Run("rollouts", f.rollouts)
	f.print()
}

func size(full bool) string {
	if full {
		return "full"
	}
	return "tiny: says nothing"
}

// figures is one run's table and what its parts share.
type figures struct {
	t       *testing.T
	full    bool
	dir     string // a temporary folder on a disk
	disk    string // the file system of the temporary folders
	program string // the binary
	rows    [][3]string
}

// pick is n in a run at full size, small else.
func (f *figures) pick(n, small int) int {
	if f.full {
		return n
	}
	return small
}

// add puts a row into the table; group "" is the group above.
func (f *figures) add(group, name, format string, args ...any) {
	f.rows = append(f.rows, [3]string{group, name, fmt.Sprintf(format, args...)})
}

func (f *figures) print() {
	var b strings.Builder
	b.WriteByte('\n')
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range f.rows {
		if r[0] != "" {
			fmt.Fprintf(w, "%s\n", r[0])
		}
		fmt.Fprintf(w, "  %s\t%s\n", r[1], r[2])
	}
	if err := w.Flush(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Log(b.String())
}

// onDisk has temporary folders made on a real disk, and names its file system.
func onDisk(t *testing.T) string {
	t.Helper()
	if kind(t, os.TempDir()) == "tmpfs" {
		t.Setenv("TMPDIR", "/var/tmp")
	}
	k := kind(t, os.TempDir())
	if k == "tmpfs" {
		t.Fatal("temporary folders are in memory: set TMPDIR to a folder on a disk")
	}
	return k
}

// kind names the file system of a folder.
func kind(t testing.TB, dir string) string {
	t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		t.Fatalf("look at %s: %v", dir, err)
	}
	switch s.Type {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return "tmpfs"
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	}
	return fmt.Sprintf("file system %#x", s.Type)
}

// program makes the binary as the Makefile does, without the race detector of the test.
func program(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pushtrain")
	c := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return path
}

// serve runs the program as the bot of a configuration until the test ends. The
// watcher, who is in the channel, has seen it come when serve returns.
func (f *figures) serve(t testing.TB, config string, watcher *irctest.Client) (pid int) {
	t.Helper()
	mustConfig(t, config)
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(f.program, "run", "-q", "-c", path)
	c.Env = append(os.Environ(), "PUSHTRAIN_MAIN=1") // for TestMain
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM) // it may have ended by itself: Wait tells
		if err := c.Wait(); err != nil {
			t.Errorf("the bot ended with: %v", err)
		}
	})
	watcher.Expect(`^:pushbot!\S+ JOIN :?#push`)
	watcher.Sync()
	return c.Process.Pid
}

// room is a server with a person in #push who lets anybody set the topic.
func room(t testing.TB) (*irctest.Server, *irctest.Client) {
	t.Helper()
	server := irctest.Ngircd(t, irctest.Options{})
	watcher := joined(t, server.Addr(), "watcher")
	watcher.Send("MODE #push -t")
	return server, watcher
}

// quantile is by nearest rank, of at least one value.
func quantile[T cmp.Ordered](all []T, percent int) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }

// joins is the figure of TestHundredJoins, which has but one size: it makes it in
// every run of the tests, and here it is only made again for the table.
func (f *figures) joins(t *testing.T) {
	if !f.full {
		return
	}
	r := hundredJoins(t)
	f.add("100 .join within a second, ngircd with its own penalties", "the topic is right after", "%.1f s", r.right.Seconds())
	f.add("", "lines of the bot", "%d TOPIC, %d other", r.topics, r.others)
}
