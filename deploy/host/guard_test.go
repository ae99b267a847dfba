package host

import (
	"os"
	"path/filepath"
	"testing"

	"pushtrain/deploy"
)

// A root that nobody can have meant is refused before anything is made there;
// where it can be meant, the refusal says how to say so.
func TestGuard(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	mount := small(t)
	real := filepath.Join(t.TempDir(), "real")
	put(t, real, map[string]string{"yin/a": "1"})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for root, says := range map[string]string{
		home:  "is a home folder: name a folder below it, or say that it is meant: mkdir " + home + "/.pushtrain",
		mount: "is a file system's top folder: name a folder below it, or say that it is meant: mkdir " + mount + "/.pushtrain",
		link:  "is a link, and could lead elsewhere tomorrow: name " + real + " itself",
		file:  "is not a folder",
	} {
		p := dial(t, root)
		p.refused(Request{Do: Hello}, BadRoot, says)
		p.refused(Request{Do: Lock}, BadRoot, says)
		if _, err := os.Lstat(filepath.Join(root, state)); err == nil {
			t.Errorf("%s was touched", root)
		}
	}
	for _, root := range []string{home, mount} {
		if err := os.Mkdir(filepath.Join(root, state), 0o755); err != nil {
			t.Fatal(err)
		}
		dial(t, root).must(Request{Do: Lock})
	}
}

func TestCheckRsync(t *testing.T) {
	for _, version := range []string{"3.2.3", "3.2.7", "3.4.0", "3.10.1", "4.0", "v3.2.4-12-gabc", "3.5.0pre1", "3.2.3pre1"} {
		if err := CheckRsync(version); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
	for _, version := range []string{"", "3.2.2", "3.1.3", "2.6.9", "3.2", "3", "x"} {
		if err := CheckRsync(version); err == nil {
			t.Errorf("%q is good", version)
		}
	}
}

// An rsync that is too old is not asked to fill anything.
func TestOldRsync(t *testing.T) {
	bin := t.TempDir()
	old := "#!/bin/sh\necho 'rsync  version 3.1.3  protocol version 31'\n"
	if err := os.WriteFile(filepath.Join(bin, "rsync"), []byte(old), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	p := dial(t, t.TempDir())
	p.must(Request{Do: Lock})
	p.refused(prepare(deploy.Yin, newTree(t, "1", nil)), NoRsync, hostname()+": rsync 3.1.3 there is older than 3.2.3: install a newer one")
}
