package host

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pushtrain/deploy"
	"pushtrain/deploy/host/powertest"
	"pushtrain/deploy/release"
)

var everyCut = flag.Bool("power", false, "TestPowerLoss cuts the power at every point, not at a spread of them")

// rootEnv makes the test binary a host that serves the root it names on stdin and stdout.
const rootEnv = "PUSHTRAIN_HOST_ROOT"

// powered is a session of a host whose root is on a disk that can lose its power,
// with what the host has answered marked there.
type powered struct {
	*peer
	disk  *powertest.Disk
	root  string
	trees map[string]tree // by release
	place map[string]string
}

func newPowered(t *testing.T) *powered {
	need(t, "rsync")
	need(t, "strace")
	p := &powered{disk: powertest.Mount(t), trees: map[string]tree{}, place: map[string]string{}}
	p.root = filepath.Join(p.disk.Dir, "web")
	c := exec.Command("strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=syncfs", "-e", "signal=none",
		"-o", filepath.Join(p.disk.Dir, ".calls"), os.Args[0])
	c.Env = append(os.Environ(), rootEnv+"="+p.root)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	p.peer = &peer{t: t, in: in, out: bufio.NewScanner(out), ended: make(chan error, 1), epoch: 1}
	t.Cleanup(func() {
		p.in.Close()
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// add makes a release of files.
func (p *powered) add(id string, files map[string]string) {
	dir := p.t.TempDir()
	put(p.t, dir, files)
	p.trees[id], p.place[id] = newTree(p.t, id, files), dir
}

func (p *powered) mark(format string, args ...any) { p.disk.Mark(fmt.Sprintf(format, args...)) }

// rollout brings a release to a side and flips to it.
func (p *powered) rollout(id string, from, side deploy.Side) {
	p.t.Helper()
	tr := p.trees[id]
	p.must(Request{Do: Hello})
	p.must(Request{Do: Lock})
	p.mark("epoch %d", p.epoch)
	if !p.must(prepare(side, tr)).Ready {
		p.mark("dirty %s", side)
		c := exec.Command("rsync", "-rlpt", "--checksum", "--delete", p.place[id]+"/", filepath.Join(p.root, string(side))+"/")
		if out, err := c.CombinedOutput(); err != nil {
			p.t.Fatalf("rsync: %v: %s", err, out)
		}
		p.must(seal(side, tr))
		p.mark("sealed %s %s", side, id)
	}
	p.must(flip(from, side, tr))
	p.mark("live %s %s", side, id)
	p.must(Request{Do: Unlock})
	p.epoch++
}

// TestPowerLoss cuts the power of a host all through four rollouts and a flip back:
// the link resolves, what is behind it and behind each seal is the release that the
// seal names, what the host has answered is so, and the next rollout goes through.
func TestPowerLoss(t *testing.T) {
	p := newPowered(t)
	big := strings.Repeat("x", 20<<10)
	p.add("1", map[string]string{"index": "1", "lib/a": "1", "lib/big": big, "old/b": "1"})
	p.add("2", map[string]string{"index": "2", "lib/a": "1", "lib/big": big + "2", "new/deep/c": "2"})
	p.add("3", map[string]string{"index": "3", "lib/a": "3", "lib/big": big, "new/c": "3"})
	p.add("4", map[string]string{"index": "4"})
	p.rollout("1", "", deploy.Yin)
	p.rollout("2", deploy.Yin, deploy.Yang)
	p.rollout("1", deploy.Yang, deploy.Yin)
	p.rollout("3", deploy.Yin, deploy.Yang)
	p.rollout("4", deploy.Yang, deploy.Yin)
	points, step := p.disk.Points(), 1
	if !*everyCut {
		step = 11
	}
	cuts := 0
	for point := 0; point < points; point += step {
		for how := range powertest.How(powertest.Hows) {
			cuts++
			if err := p.survives(t, point, how, uint64(cuts)); err != nil {
				t.Errorf("point %d of %d, how %d: %v", point, points, how, err)
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d cuts at %d points, %d of them syncs", cuts, points/step, len(p.disk.Syncs())/2)
}

// said is what the host has answered before a point, and what it was about to.
type said struct {
	epoch uint64
	live  string // side and release; "" = none
	next  string // the mark that comes next; "" = none
	sides map[string]string
}

func (p *powered) said(point int) said {
	s := said{sides: map[string]string{}}
	marks, all := p.disk.Marks(point), p.disk.Marks(p.disk.Points()-1)
	for _, m := range marks {
		words := strings.Fields(m)
		switch words[0] {
		case "epoch":
			_, _ = fmt.Sscan(words[1], &s.epoch) // it was written by rollout
		case "dirty":
			delete(s.sides, words[1])
		case "sealed":
			s.sides[words[1]] = words[2]
		case "live":
			s.live = words[1] + " " + words[2]
		}
	}
	if len(all) > len(marks) {
		s.next = all[len(marks)]
	}
	return s
}

// survives cuts the power and looks at what the disk holds then.
func (p *powered) survives(t *testing.T, point int, how powertest.How, seed uint64) error {
	dir, err := os.MkdirTemp("/dev/shm", "pushtrain-test-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p.disk.Cut(t, dir, point, how, seed)
	root := filepath.Join(dir, "web")
	said := p.said(point)
	next := strings.Fields(said.next + " - -")

	host := dial(t, root)
	resp := host.ask(Request{Do: Status})
	if resp.Err != "" {
		return errors.New(resp.Err)
	}
	st := resp.Standing
	if st.Epoch < said.epoch {
		return fmt.Errorf("it had accepted epoch %d, and has %d", said.epoch, st.Epoch)
	}
	// Each seal tells the truth.
	for side, s := range st.Sides {
		m, err := release.Scan(t.Context(), filepath.Join(root, string(side)))
		if err != nil {
			return fmt.Errorf("%s, sealed with %s: %w", side, s.Release, err)
		}
		if m.Digest() != s.Digest {
			return fmt.Errorf("%s is sealed with %s, and holds something else", side, s.Release)
		}
		if had := said.sides[string(side)]; s.Release != had && (next[0] != "sealed" || next[2] != s.Release) {
			return fmt.Errorf("%s is sealed with %s, and it was answered that it holds %q", side, s.Release, had)
		}
	}
	// What was answered is so.
	for side, id := range said.sides {
		if got := st.Sides[deploy.Side(side)].Release; got != id && (next[0] != "dirty" || next[1] != side) {
			return fmt.Errorf("%s was sealed with %s, and is with %q", side, id, got)
		}
	}
	live := ""
	if st.Live != "" {
		live = string(st.Live) + " " + st.Sides[st.Live].Release
	}
	if live != said.live && "live "+live != said.next {
		return fmt.Errorf("it serves %q, after %q and before %q", live, said.live, said.next)
	}
	if how != powertest.Any {
		host.hangUp()
		return nil
	}
	// And it goes on.
	host.epoch = st.Epoch + 1
	side := deploy.Yin
	if st.Live != "" {
		side = st.Live.Other()
	}
	host.must(Request{Do: Hello})
	host.must(Request{Do: Lock})
	host.ship(root, st.Live, side, p.trees["2"])
	host.hangUp()
	return nil
}
