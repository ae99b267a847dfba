package fleet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	const said = "sending\n\r         40,000   0%   19.07MB/s    0:00:00 (xfr#2, to-chk=398/401)\r  1,234,567 100%  1.0MB/s 0:00:01\nbad 120% x%\n"
	var got []int
	transfer{host: "web1"}.progress(strings.NewReader(said+strings.Repeat("x", 1<<20)), func(l Line) {
		if l.Host != "web1" || l.Text != "" {
			t.Errorf("line %+v", l)
		}
		got = append(got, l.Percent)
	})
	if !slices.Equal(got, []int{0, 100}) {
		t.Errorf("progress %v", got)
	}
}

// TestProgressBound: rsync says a line a file; a host's progress is told five times a second.
func TestProgressBound(t *testing.T) {
	n := 0
	transfer{}.progress(strings.NewReader(strings.Repeat("1 50% 1MB/s 0:00:00\r", 10000)), func(Line) { n++ })
	if n < 1 || n > 50 {
		t.Errorf("%d lines of progress out of 10000", n)
	}
}

func TestTransferArgs(t *testing.T) {
	here := transfer{tree: "/a/tree", side: "/srv/web/yin", checksum: true, stall: 30 * time.Second}.args()
	if want := []string{"--checksum", "--", "/a/tree/", "/srv/web/yin/"}; !slices.Equal(here[len(here)-4:], want) {
		t.Errorf("args %q", here)
	}
	if env := process(t.Context(), "rsync").Env; env[len(env)-1] != "LC_ALL=C" {
		t.Errorf("rsync's messages come in the language of %q", env[len(env)-1])
	}
	c, err := newSSH("/etc/my config", false, os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(c.dir)
	for side, want := range map[string]string{"/srv/web/yin": "--no-protect-args", "/srv/a root/yin": "--protect-args", "/srv/$x/yin": "--protect-args"} {
		args := transfer{tree: "/a/tree", side: side, shell: c.transport("/run/x")}.args()
		if args[len(args)-1] != "session:"+side+"/" || !slices.Contains(args, want) {
			t.Errorf("args %q lack %s", args, want)
		}
	}
	there := transfer{tree: "/a/tree", side: "/srv/web/yin", shell: c.transport("/run/x")}.args()
	shell := there[slices.Index(there, "-e")+1]
	for _, want := range []string{`"-F" "/etc/my config"`, `"ControlPath=/run/x"`, `"ProxyCommand=false"`, `"StrictHostKeyChecking=yes"`} {
		if !strings.Contains(shell, want) {
			t.Errorf("transport %s lacks %s", shell, want)
		}
	}
}

func TestReasons(t *testing.T) {
	for _, c := range []struct {
		exit       int
		said, want string
		again      bool
	}{
		{11, "rsync: [receiver] write failed on \"/srv/x\": No space left on device (28)\nrsync error: error in file IO (code 11)", "the disk of /srv/web is full", false},
		{23, "rsync: [generator] recv_generator: mkdir \"/srv/x\" failed: Permission denied (13)\nrsync error: some files", "rsync may not write there: rsync: [generator]", false},
		{12, "bash: line 1: rsync: command not found\nrsync: connection unexpectedly closed", "rsync lost its connection", true},
		{30, "rsync error: timeout in data send/receive (code 30)", "heard nothing for 45s", true},
		{255, "ssh: broken", "rsync lost its connection: ssh: broken", true},
		{23, "rsync: [sender] odd\nrsync error: sum", "rsync ended with status 23: rsync: [sender] odd", false},
	} {
		e := &rsyncError{exit: c.exit, reason: rsyncReason(c.exit, c.said, "/srv/web", 45*time.Second)}
		if !strings.Contains(e.Error(), c.want) || e.again() != c.again {
			t.Errorf("%d %q: %q, again %v", c.exit, c.said, e, e.again())
		}
	}
}

// TestNoSession: without the session's socket rsync has no way to any host.
func TestNoSession(t *testing.T) {
	for _, tool := range []string{"ssh", "rsync"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is missing: apt-get install openssh-client rsync", tool)
			}
			t.Skipf("%s is missing: apt-get install openssh-client rsync", tool)
		}
	}
	c, err := newSSH("", false, os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(c.dir)
	side := filepath.Join(t.TempDir(), "side")
	err = transfer{tree: t.TempDir(), side: side, shell: c.transport(c.dir + "/none")}.run(t.Context(), func(Line) {})
	var failed *rsyncError
	if !errors.As(err, &failed) || !failed.again() {
		t.Errorf("rsync without a session: %v", err)
	}
	if _, err := os.Stat(side); err == nil {
		t.Error("rsync found a way without a session")
	}
}

// TestTransferIsTold: the log holds rsync with its arguments, its complaints as such,
// how it ended and when; and the same of one that went well.
func TestTransferIsTold(t *testing.T) {
	if _, err := exec.LookPath("rsync"); err != nil {
		t.Skip("rsync is missing: apt-get install rsync")
	}
	tree, side := t.TempDir(), t.TempDir()
	for _, c := range []struct {
		tree string
		want []string
	}{
		{tree, []string{"false $ rsync -rlpt .* " + side + "/", `false rsync: exit status 0 after [0-9.]+m?s`}},
		{tree + "/none", []string{"false $ rsync -rlpt .*", `true rsync: .*No such file or directory.*`, `true rsync error: .*`, `false rsync: exit status 23 after [0-9.]+m?s`}},
	} {
		var mu sync.Mutex
		var got []string
		err := transfer{host: "web1", tree: c.tree, side: side, stall: time.Second}.run(t.Context(), func(l Line) {
			mu.Lock()
			defer mu.Unlock()
			if l.Text != "" {
				got = append(got, fmt.Sprint(l.Err, " ", l.Text))
			}
		})
		if (err == nil) != (c.tree == tree) {
			t.Errorf("run() = %v", err)
		}
		want := "^" + strings.ReplaceAll(strings.Join(c.want, "\n"), "$", `\$`) + "$"
		if text := strings.Join(got, "\n"); !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("told:\n%s\nwant:\n%s", text, want)
		}
	}
}
