package host

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
)

// The session ends between Prepare and Seal: the side is dirty, and the lock is free.
func TestSessionEndsInTheMiddle(t *testing.T) {
	need(t, "rsync")
	root := t.TempDir()
	one := newTree(t, "1", map[string]string{"a": "1"})
	two := newTree(t, "2", map[string]string{"a": "2", "b": "2"})
	p := dial(t, root)
	p.must(Request{Do: Lock})
	p.must(prepare(deploy.Yin, one))
	fill(t, root, deploy.Yin, one)
	p.must(seal(deploy.Yin, one))
	if st := p.must(prepare(deploy.Yin, two)).Standing; len(st.Sides) != 0 {
		t.Errorf("a side that is to be filled is sealed: %+v", st)
	}
	put(t, root, map[string]string{"yin/a": "2"}) // half of it
	p.hangUp()

	p = dial(t, root)
	if st := p.must(Request{Do: Lock}).Standing; len(st.Sides) != 0 || st.Live != "" {
		t.Errorf("standing = %+v", st)
	}
	p.refused(flip("", deploy.Yin, one), Unsealed, "not sealed with release 1")
	if p.must(prepare(deploy.Yin, one)).Ready {
		t.Error("a dirty side is ready")
	}
	p.refused(seal(deploy.Yin, one), Differs, "a: content differs")
	p.refused(flip("", deploy.Yin, two), Unsealed, "not sealed with release 2")
}

func TestPrepareRefuses(t *testing.T) {
	need(t, "rsync")
	root := t.TempDir()
	one := newTree(t, "1", map[string]string{"a": "1"})
	two := newTree(t, "2", map[string]string{"a": "2"})
	p := dial(t, root)
	p.must(Request{Do: Lock})
	p.must(Request{Do: Hello, Drain: 0})
	p.ship(root, "", deploy.Yin, one)
	p.refused(prepare(deploy.Yin, two), LiveSide, "yin is the live side")
	p.refused(seal(deploy.Yin, two), LiveSide, "yin is the live side")
	p.ship(root, deploy.Yin, deploy.Yang, two)

	full := prepare(deploy.Yin, two)
	full.Need = Need{Bytes: math.MaxInt64, Files: 1}
	if st := p.refused(full, Full, "is too full: the release needs").Standing; st.Sides[deploy.Yin].Release != "1" {
		t.Errorf("a refusal has made the side dirty: %+v", st)
	}
	many := prepare(deploy.Yin, two)
	many.Need = Need{Files: math.MaxInt64}
	var st unix.Statfs_t
	must(t, unix.Statfs(root, &st))
	if resp := p.ask(many); (resp.Code == Full) != (st.Files > 0) { // 0: it makes inodes as it needs them
		t.Errorf("no end of files, where there can be %d: %+v", st.Files, resp)
	}

	p.must(Request{Do: Hello, Drain: 1 << 40})
	resp := p.refused(prepare(deploy.Yin, newTree(t, "3", nil)), Draining, "may have readers for another")
	if resp.Standing.Drain <= 0 || resp.Standing.Drain > 1<<40 {
		t.Errorf("drain = %v", resp.Standing.Drain)
	}

	p.must(Request{Do: Hello})
	t.Setenv("PATH", t.TempDir())
	p.refused(prepare(deploy.Yin, newTree(t, "3", nil)), NoRsync, "rsync is missing on "+hostname()+": apt-get install rsync")
	if resp := p.must(Request{Do: Hello}); resp.Rsync != "" {
		t.Errorf("rsync = %q", resp.Rsync)
	}
}

// A side that is not a folder of its own could be the live one.
func TestSideThatIsALink(t *testing.T) {
	need(t, "rsync")
	root := t.TempDir()
	put(t, root, map[string]string{"yin/a": "1"})
	for name, to := range map[string]string{current: "yin", "yang": "yin"} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	p := dial(t, root)
	p.refused(Request{Do: Lock}, Broken, root+"/yang is not a folder")
}

func TestDrain(t *testing.T) {
	need(t, "rsync")
	root := fast(t)
	one := newTree(t, "1", map[string]string{"a": "1"})
	two := newTree(t, "2", map[string]string{"a": "2"})
	p := dial(t, root)
	drain := func(want bool, when string) {
		t.Helper()
		if st := p.must(Request{Do: Status}).Standing; (st.Drain > 0) != want || st.Drain > usualDrain {
			t.Errorf("%s: drain %v", when, st.Drain)
		}
	}
	drain(false, "nothing there")
	p.must(Request{Do: Lock})
	p.ship(root, "", deploy.Yin, one)
	drain(false, "no other side")
	p.must(prepare(deploy.Yang, two))
	drain(false, "the other side was never live")
	fill(t, root, deploy.Yang, two)
	p.must(seal(deploy.Yang, two))
	p.must(flip(deploy.Yin, deploy.Yang, two))
	drain(true, "flipped")
	p.must(Request{Do: Hello})
	drain(false, "no drain is asked for")
	p.must(Request{Do: Hello, Drain: usualDrain})
	drain(true, "a drain is asked for again")

	// A reboot ends all readers.
	record := filepath.Join(root, state, "left")
	b, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{path: root}
	if err := s.open(false); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var l left
	if !s.readJSON("left", &l) {
		t.Fatalf("left = %s", b)
	}
	set := func(change func(l *left)) {
		t.Helper()
		c := l
		change(&c)
		if err := s.writeJSON("left", c); err != nil {
			t.Fatal(err)
		}
	}
	set(func(l *left) { l.Boot = "another" })
	drain(false, "rebooted")
	set(func(l *left) { l.At -= usualDrain })
	drain(false, "time has passed")
	set(func(l *left) { l.At += 1 << 50 })
	drain(true, "left in the future")

	// Without a record, or with one of another link, the link's age counts.
	if err := os.Remove(record); err != nil {
		t.Fatal(err)
	}
	drain(true, "no record, new link")
	set(func(l *left) { l.Side, l.Link = "", 1 })
	drain(true, "somebody else's link")
}
