package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushtrain/deploy"
)

func TestScan(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"index.php": "<?php", "lib/a.php": "a", "lib-x": "x", "lib/deep/er/b\xff": "", "link": "-> lib/none", "out": "-> /etc",
	})
	if err := os.Chmod(filepath.Join(dir, "lib"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "lib-x"), 0o755); err != nil {
		t.Fatal(err)
	}
	sum := func(s string) string { b := sha256.Sum256([]byte(s)); return hex.EncodeToString(b[:]) }
	want := deploy.Manifest{Entries: []deploy.Entry{
		{Path: "index.php", Type: deploy.File, Perm: 0o644, Size: 5, Sum: sum("<?php")},
		{Path: "lib", Type: deploy.Dir, Perm: 0o750},
		{Path: "lib-x", Type: deploy.File, Perm: 0o755, Size: 1, Sum: sum("x")},
		{Path: "lib/a.php", Type: deploy.File, Perm: 0o644, Size: 1, Sum: sum("a")},
		{Path: "lib/deep", Type: deploy.Dir, Perm: 0o755},
		{Path: "lib/deep/er", Type: deploy.Dir, Perm: 0o755},
		{Path: "lib/deep/er/b\xff", Type: deploy.File, Perm: 0o644, Sum: sum("")},
		{Path: "link", Type: deploy.Link, Link: "lib/none"},
		{Path: "out", Type: deploy.Link, Link: "/etc"},
	}}
	got, err := Scan(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := deploy.Diff(want, got, 0); d != nil {
		t.Errorf("Scan differs: %q", d)
	}
}

func TestScanRefuses(t *testing.T) {
	special := func(bits uint32) func(p string) error {
		return func(p string) error {
			if err := os.WriteFile(p, nil, 0o644); err != nil {
				return err
			}
			return syscall.Chmod(p, 0o644|bits)
		}
	}
	cases := map[string]func(p string) error{
		"is a fifo":   func(p string) error { return syscall.Mkfifo(p, 0o644) },
		"is setuid":   special(syscall.S_ISUID),
		"is setgid":   special(syscall.S_ISGID),
		"is sticky":   func(p string) error { return errors.Join(os.Mkdir(p, 0o755), syscall.Chmod(p, 0o1777)) },
		"is a socket": func(p string) error { return syscall.Mknod(p, syscall.S_IFSOCK|0o644, 0) },
	}
	for what, put := range cases {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := put(filepath.Join(dir, "d", "x")); err != nil {
			t.Fatal(err)
		}
		_, err := Scan(t.Context(), dir)
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Path != "d/x" || refused.What != what {
			t.Errorf("%s: Scan() = %v", what, err)
		}
	}
}

func TestScanEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	for i := range 100 {
		write(t, dir, map[string]string{fmt.Sprint(i): "x"})
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("the driver left")
	cancel(stop)
	if _, err := Scan(ctx, dir); !errors.Is(err, stop) {
		t.Errorf("Scan() = %v, want %v", err, stop)
	}
}

// rest waits until every file of names has been at rest for long enough that its stamp is kept.
func rest(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		written := time.Unix(0, stampOf(lstat(t, dir, name)).Ctime)
		<-time.After(time.Until(written.Add(settled + 1)))
	}
}

func TestScanKnown(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "aaaa", "b": "bbbb"})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	rest(t, dir, "a", "b")
	m, known, err := ScanKnown(t.Context(), root, nil)
	if err != nil || len(known) != 2 {
		t.Fatalf("ScanKnown() = %v, %v", known, err)
	}
	// A stamp that holds is believed: the proof is a sum that no file has.
	lie := strings.Repeat("0", 64)
	k := known["a"]
	k.Sum = lie
	known["a"] = k
	if m2, again, err := ScanKnown(t.Context(), root, known); err != nil || m2.Entries[0].Sum != lie || again["a"] != k {
		t.Errorf("a stamp that holds was not taken: %v, %v", m2, err)
	}
	// The same size and mtime with another content is not: its ctime has changed.
	old := mtime(t, dir, "a")
	write(t, dir, map[string]string{"a": "AAAA"})
	if err := os.Chtimes(filepath.Join(dir, "a"), old, old); err != nil {
		t.Fatal(err)
	}
	m3, fresh, err := ScanKnown(t.Context(), root, known)
	if err != nil {
		t.Fatal(err)
	}
	if d := deploy.Diff(m, m3, 0); len(d) != 1 || d[0] != "a: content differs" {
		t.Errorf("after a write that hides: %q", d)
	}
	if _, ok := fresh["a"]; ok {
		t.Error("the stamp of a file written just now was kept")
	}
}
