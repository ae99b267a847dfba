package host

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
)

// small returns a file system of one mebibyte.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("mount a small tmpfs: %v: run the tests as root", err)
		}
		t.Skipf("mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// On a full disk nothing is filled or sealed, and a rollback goes through.
func TestFullDisk(t *testing.T) {
	need(t, "rsync")
	root := filepath.Join(small(t), "web")
	one := newTree(t, "1", map[string]string{"a": "1"})
	two := newTree(t, "2", map[string]string{"a": "2"})
	p := dial(t, root)
	p.must(Request{Do: Hello})
	p.must(Request{Do: Lock, Stack: "web", By: "alice", Owner: "a1"})
	p.ship(root, "", deploy.Yin, one)
	p.ship(root, deploy.Yin, deploy.Yang, two)
	p.hangUp()

	glut, err := os.Create(filepath.Join(root, "glut"))
	if err != nil {
		t.Fatal(err)
	}
	defer glut.Close()
	for _, size := range []int{64 << 10, 1} { // to the last page
		for err = nil; err == nil; _, err = glut.Write(make([]byte, size)) {
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
	p = dial(t, root)
	p.epoch = 2
	p.must(Request{Do: Hello})
	if st := p.must(Request{Do: Lock, Stack: "web", By: "alice", Owner: "0123456789abcdef"}).Standing; st.Epoch != 2 {
		t.Errorf("standing = %+v", st)
	}
	if st := p.must(flip(deploy.Yang, deploy.Yin, one)).Standing; st.Live != deploy.Yin {
		t.Errorf("standing = %+v", st)
	}
	big := newTree(t, "3", map[string]string{"a": "3"})
	req := prepare(deploy.Yang, big)
	req.Need = Need{Bytes: 64 << 10, Files: 2}
	p.refused(req, Full, "the release needs 1 MiB in 2 files")
	p.refused(seal(deploy.Yang, two), Broken, "no space left on device")
	p.refused(flip(deploy.Yin, deploy.Yang, two), Unsealed, "")
	if err := glut.Truncate(0); err != nil {
		t.Fatal(err)
	}
	p.must(req)
	p.refused(Request{Do: Lock, Epoch: 1}, Stale, "accepted 2")
}
