package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
)

// asRsync starts a process in dir that is called rsync, has args, and does nothing.
func asRsync(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	need(t, "sh")
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	rsync := filepath.Join(t.TempDir(), "rsync")
	if err := os.Symlink(sh, rsync); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(rsync, append([]string{"-c", "read x", "rsync"}, args...)...)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return cmd
}

// alive reports whether the process has not been ended.
func alive(cmd *exec.Cmd) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/stat")
	return err == nil && !strings.Contains(string(b), ") Z ")
}

// filled is a root that serves yin and has yang.
func filled(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	put(t, root, map[string]string{"yin/a": "1", "yang/a": "half"})
	if err := os.Symlink("yin", filepath.Join(root, current)); err != nil {
		t.Fatal(err)
	}
	return root
}

// Whoever takes the lock, or prepares a side, ends what was left at work in it.
func TestWritersAreEnded(t *testing.T) {
	need(t, "rsync")
	root := filled(t)
	one := newTree(t, "1", map[string]string{"a": "1"})
	p := dial(t, root)
	old := asRsync(t, filepath.Join(root, "yang"))
	p.must(Request{Do: Hello})
	p.must(Request{Do: Lock})
	if alive(old) {
		t.Error("the lock was given, and an old writer is at work")
	}
	old = asRsync(t, filepath.Join(root, "yang"))
	p.must(prepare(deploy.Yang, one))
	if alive(old) {
		t.Error("a side was prepared, and an old writer is at work in it")
	}
	fill(t, root, deploy.Yang, one)
	old = asRsync(t, filepath.Join(root, "yang"))
	if resp := p.refused(seal(deploy.Yang, one), Writing, "still at work in "+root+"/yang: "); len(resp.Standing.Sides) != 0 {
		t.Errorf("a side was sealed under a writer's hands: %+v", resp.Standing)
	}
	if !alive(old) {
		t.Error("a seal has ended a writer")
	}
	p.must(prepare(deploy.Yang, one))
	p.must(seal(deploy.Yang, one))

	// Who only reads is left alone, and so is who is at the live side: it was never ours.
	reader := asRsync(t, filepath.Join(root, "yang"), "--server", "--sender", ".", root+"/yang/")
	copier := asRsync(t, filepath.Join(root, "yang"), "-a", "--", "yang/", "/backup")
	hand := asRsync(t, filepath.Join(root, "yin"))
	other := asRsync(t, t.TempDir(), "--server", ".", root+"/yang2/")
	early := asRsync(t, t.TempDir(), "--server", "-rlpte.L", ".", root+"/yang/") // it has not gone there yet
	p.must(Request{Do: Lock, Epoch: 2})
	for name, cmd := range map[string]*exec.Cmd{"a reader": reader, "a copier": copier, "a hand at the live side": hand, "another's": other} {
		if !alive(cmd) {
			t.Errorf("%s was ended", name)
		}
	}
	if alive(early) {
		t.Error("a receiver that has not come to its folder is at work")
	}
}

func TestWriterThatDoesNotGo(t *testing.T) {
	root := filled(t)
	cmd := asRsync(t, filepath.Join(root, "yang"))
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	w := writer{cmd.Process.Pid, fd}
	if w.ended(time.Millisecond) {
		t.Error("a process that runs has ended")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if !w.ended(time.Minute) {
		t.Error("a process that was killed has not ended")
	}
}
