package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTail reads a log that grows, is rotated, cut off, and gone for a while.
func TestTail(t *testing.T) {
	p := dial(t, filepath.Join(t.TempDir(), "web"))
	log := filepath.Join(t.TempDir(), "error.log")
	var at Position
	read := func(want ...string) Response {
		t.Helper()
		resp := p.must(Request{Do: Tail, File: log, At: at})
		if !slices.Equal(resp.Said, want) {
			t.Errorf("read %q, want %q", resp.Said, want)
		}
		at = resp.At
		return resp
	}
	add := func(text string) {
		t.Helper()
		f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	add("before\n")
	read()
	add("one\ntwo\nhal")
	read("one", "two")
	read()
	add("f\n\x1b[31mred\x07\n")
	read("half", " [31mred ")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	read()
	add("after\n")
	read("after")
	if err := os.Truncate(log, 0); err != nil {
		t.Fatal(err)
	}
	add("cut\n")
	read("cut")

	add(strings.Repeat("x", 3*tailBytes))
	if resp := read(strings.Repeat("x", 1000) + "…"); !resp.More {
		t.Error("a line without end is not read on")
	}
	add("\n" + strings.Repeat("flood\n", tailBehind/3))
	resp := p.must(Request{Do: Tail, File: log, At: at})
	if resp.Lost == 0 || len(resp.Said) == 0 || resp.Said[len(resp.Said)-1] != "flood" {
		t.Errorf("lost %d, %d lines", resp.Lost, len(resp.Said))
	}
	at = resp.At
	read()

	p.refused(Request{Do: Tail, File: "error.log"}, Bad, "no clean absolute path")
	p.refused(Request{Do: Tail, File: "/tmp/../etc/passwd"}, Bad, "no clean absolute path")
	p.refused(Request{Do: Tail, File: t.TempDir()}, Bad, "is no file")
	p.refused(Request{Do: Tail, File: "/dev/zero"}, Bad, "is no file")
}

// A key reads the logs that its owner has named, and no other file.
func TestForcedTail(t *testing.T) {
	log := filepath.Join(t.TempDir(), "error.log")
	s := &session{path: t.TempDir(), forced: &Call{Logs: []string{log}}}
	var resp Response
	if err := s.do(t.Context(), Request{Do: Tail, File: log}, nil, &resp); err != nil {
		t.Error(err)
	}
	if err := s.do(t.Context(), Request{Do: Tail, File: "/etc/passwd"}, nil, &resp); err == nil || !strings.Contains(err.Error(), "add --log '/etc/passwd' there") {
		t.Errorf("%v", err)
	}
}
