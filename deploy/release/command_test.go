package release

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCommandFails(t *testing.T) {
	var out output
	err := command{argv: []string{"sh", "-c", "echo why >&2; exec 2>&1; for i in 1 2 3 4 5 6; do echo $i; done; exit 2"}, out: out.line}.run(t.Context())
	var fail *ExecError
	if !errors.As(err, &fail) || fail.Exit != 2 || len(fail.Tail) != 5 || !strings.HasSuffix(err.Error(), "exit 2: exit status 2") {
		t.Fatalf("run() = %v, %+v", err, fail)
	}
	if slices.Index(fail.Tail, "6") < 3 || !strings.Contains(out.String(), "true why\n") || !strings.Contains(out.String(), "false 1\n") {
		t.Errorf("Tail = %q, out = %q", fail.Tail, &out)
	}
	err = command{argv: []string{"no-such-tool", "x"}}.run(t.Context())
	if !errors.As(err, &fail) || fail.Exit != -1 || !strings.HasPrefix(err.Error(), "no-such-tool x: ") {
		t.Errorf("run() of nothing = %v", err)
	}
}

func TestCommandWithoutGit(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	s := store(t, Source{Repo: "/none", Branch: "main"}, 0)
	_, err := s.Build(t.Context(), "", nil)
	if err == nil || err.Error() != "git is missing: apt-get install git" {
		t.Errorf("Build() = %v", err)
	}
}

func TestCommandStopsItsWholeGroup(t *testing.T) {
	t.Parallel() // it waits for grace to pass
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	aborted := errors.New("aborted by alice")
	started := func(line string, _ bool) {
		if line == "started" {
			cancel(aborted)
		}
	}
	began := time.Now()
	// The child holds the fifo open for writing for as long as it lives.
	err := command{argv: []string{"sh", "-c", `(trap "" TERM; exec 9<>"$0"; echo started; while :; do read x <&9; done) & wait`, fifo}, out: started}.run(ctx)
	var fail *ExecError
	if !errors.As(err, &fail) || !errors.Is(err, aborted) || !strings.Contains(err.Error(), "stopped: aborted by alice") {
		t.Errorf("run() = %v", err)
	}
	if d := time.Since(began); d > 3*grace {
		t.Errorf("it took %v to stop", d)
	}
	for deadline := time.Now().Add(10 * time.Second); ; { // the kernel takes a moment to bury it
		f, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if errors.Is(err, syscall.ENXIO) {
			return
		}
		f.Close()
		if time.Now().After(deadline) {
			t.Fatalf("a child is alive: opening its fifo says %v, want %v", err, syscall.ENXIO)
		}
	}
}

// TestCommandDiesWithItsParent: a build must not write on where the next one begins.
func TestCommandDiesWithItsParent(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "RELEASE_TEST_COMMAND=exec 9<>"+fifo+"; echo started; read x <&9")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = parent.Wait() }() // it was killed
	line, err := bufio.NewReader(out).ReadString('\n')
	kill := parent.Process.Kill()
	if line != "started\n" || err != nil || kill != nil {
		t.Fatalf("the command says %q, %v, %v", line, err, kill)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		f, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if errors.Is(err, syscall.ENXIO) { // nobody holds its other end any more
			return
		}
		f.Close()
		if time.Now().After(deadline) {
			t.Fatalf("the command outlives its parent: opening its fifo says %v", err)
		}
	}
}

func TestCommandEnvironment(t *testing.T) {
	t.Setenv("GIT_DIR", "/of/a/hook")
	dir := t.TempDir()
	var out output
	err := command{argv: []string{"sh", "-c", `echo "[$GIT_DIR] $PUSHTRAIN_COMMIT $PWD"`}, dir: dir, env: about("id", "c0ffee"), out: out.line}.run(t.Context())
	if want := "false [] c0ffee " + dir + "\n"; err != nil || out.String() != want {
		t.Errorf("%v, %q, want %q", err, &out, want)
	}
}
