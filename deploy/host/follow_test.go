package host

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFollow follows a command that goes on, ends, and is started anew; what one answer
// can't hold comes with the next, and the end of the session is its end.
func TestFollow(t *testing.T) {
	root := t.TempDir()
	p := dial(t, root)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	argv := []string{"sh", "-c", "pwd; echo $PUSHTRAIN_ROOT >&2; exec cat " + pipe}
	var last Response
	read := func(want ...string) {
		t.Helper()
		var got []string
		again := time.NewTicker(5 * time.Millisecond)
		defer again.Stop()
		for end := time.Now().Add(20 * time.Second); len(got) < len(want) && time.Now().Before(end); <-again.C {
			last = p.ask(Request{Do: Tail, Argv: argv})
			got = append(got, last.Said...)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("it said %.200q, want %.200q", got, want)
		}
	}
	read(root, root)
	in, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(in, "one\ntwo\x07\nhal")
	read("one", "two\uFFFD")
	fmt.Fprint(in, "f\n")
	read("half")
	long := strings.Repeat("x", 900)
	go func() {
		defer in.Close()
		for range 300 {
			fmt.Fprintln(in, long)
		}
	}()
	read(slices.Repeat([]string{long}, 300)...)
	for end := time.Now().Add(20 * time.Second); last.Err == "" && time.Now().Before(end); {
		last = p.ask(Request{Do: Tail, Argv: argv})
	}
	if last.Code != Failed || !strings.HasSuffix(last.Err, " has ended") {
		t.Errorf("at its end it says %s %q", last.Code, last.Err)
	}
	read(root, root)

	argv = []string{"sh", "-c", "echo $$; exec sleep 1000"}
	for last.Said = nil; len(last.Said) == 0; {
		last = p.must(Request{Do: Tail, Argv: argv})
	}
	p.hangUp()
	if _, err := os.Stat("/proc/" + last.Said[0]); err == nil {
		t.Errorf("process %s is still there", last.Said[0])
	}
}

// TestFollowFlood: nobody asks, and the oldest lines go; one answer has room for so many.
func TestFollowFlood(t *testing.T) {
	f := &following{}
	line := strings.Repeat("x", 999)
	for range tailBehind/1000 + 500 {
		f.line(line, false)
	}
	var resp Response
	f.take(&resp)
	if f.take(&resp); resp.Lost != 0 || !resp.More || len(resp.Said) != tailBytes/1000+1 {
		t.Errorf("the second answer: lost %d, more %v, %d lines", resp.Lost, resp.More, len(resp.Said))
	}
	if f.bytes > tailBehind || f.bytes != 1000*len(f.lines) {
		t.Errorf("%d bytes in %d lines are held", f.bytes, len(f.lines))
	}
}

// TestForcedFollow: a key follows what its owner has named, and no other command; where
// there is no root yet, the answer says so.
func TestForcedFollow(t *testing.T) {
	none := dial(t, filepath.Join(t.TempDir(), "web"))
	none.refused(Request{Do: Tail, Argv: []string{"sleep", "1000"}}, Failed, "/web yet, in which to run sleep 1000")
	s := &session{path: t.TempDir(), forced: &Call{Hooks: []string{"sleep 1000"}}}
	defer s.close()
	var resp Response
	if err := s.do(t.Context(), Request{Do: Tail, Argv: []string{"sleep", "1000"}}, nil, &resp); err != nil {
		t.Error(err)
	}
	if err := s.do(t.Context(), Request{Do: Tail, Argv: []string{"sleep", "1001"}}, nil, &resp); err == nil || !strings.Contains(err.Error(), "add --hook 'sleep 1001' there") {
		t.Errorf("%v", err)
	}
}
