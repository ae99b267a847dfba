package host

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

func TestMain(m *testing.M) {
	if root := os.Getenv(rootEnv); root != "" {
		if err := Serve(context.Background(), root, &stdin{File: os.Stdin}, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// need ends the test where tool is missing: it fails in CI, else it is skipped.
func need(t testing.TB, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: apt-get install %s", tool, tool)
	}
	t.Skipf("%s is missing: apt-get install %s", tool, tool)
}

// peer is the other end of a session.
type peer struct {
	t     testing.TB
	in    io.WriteCloser
	out   *bufio.Scanner
	ended chan error
	n     uint64
	epoch uint64
}

// dial begins a session about root.
func dial(t testing.TB, root string) *peer {
	t.Helper()
	p, _ := deafPeer(t, root)
	t.Cleanup(p.hangUp)
	return p
}

// deafPeer starts a session that may be made to be heard by nobody; it is the caller's to end.
func deafPeer(t testing.TB, root string) (p *peer, deafen func() error) {
	t.Helper()
	inR, inW := net.Pipe()
	outR, outW := io.Pipe()
	p = &peer{t: t, in: inW, out: bufio.NewScanner(outR), ended: make(chan error, 1), epoch: 1}
	p.out.Buffer(nil, 1<<20) // as a bot takes
	go func() {
		err := Serve(context.Background(), root, inR, outW)
		inR.Close()
		outW.Close()
		p.ended <- err
	}()
	return p, outR.Close
}

// prompt is an input that never waits for its end.
type prompt struct{ io.Reader }

func (prompt) SetReadDeadline(time.Time) error { return nil }

// hangUp ends the session and waits until it is over.
func (p *peer) hangUp() {
	p.in.Close()
	if err, ok := <-p.ended; ok {
		close(p.ended)
		if err != nil {
			p.t.Errorf("Serve() = %v", err)
		}
	}
}

// ask sends req, with the peer's epoch if it has none, and returns the answer.
func (p *peer) ask(req Request) Response {
	p.t.Helper()
	return p.tell(p.request(req))
}

// request is the next request as it is sent.
func (p *peer) request(req Request) []byte {
	p.t.Helper()
	p.n++
	req.N = p.n
	if req.Epoch == 0 {
		req.Epoch = p.epoch
	}
	b, err := json.Marshal(req)
	if err != nil {
		p.t.Fatal(err)
	}
	b = append(b, '\n')
	if req.Blob > 0 {
		b = append(b, packed(req.Seal)...)
	}
	return b
}

// say sends one line.
func (p *peer) say(line []byte) Response {
	p.t.Helper()
	return p.tell(append(line, '\n'))
}

// tell sends one request, with all that follows its line.
func (p *peer) tell(request []byte) Response {
	p.t.Helper()
	if _, err := p.in.Write(request); err != nil {
		p.t.Fatal(err)
	}
	var resp Response
	for busy := true; busy; busy = resp.Busy {
		if !p.out.Scan() {
			p.t.Fatalf("no answer to %.200s", request)
		}
		resp = Response{}
		if err := json.Unmarshal(p.out.Bytes(), &resp); err != nil {
			p.t.Fatal(err)
		}
	}
	if resp.N != p.n && resp.Code != Bad {
		p.t.Fatalf("answer %d to request %d", resp.N, p.n)
	}
	return resp
}

// must is ask that has to go well.
func (p *peer) must(req Request) Response {
	p.t.Helper()
	resp := p.ask(req)
	if resp.Err != "" {
		p.t.Fatalf("%s: %s (%s)", req.Do, resp.Err, resp.Code)
	}
	return resp
}

// refused is ask that has to be refused with code, in words that have says in them.
func (p *peer) refused(req Request, code Code, says string) Response {
	p.t.Helper()
	resp := p.ask(req)
	if resp.Code != code || !strings.Contains(resp.Err, says) || strings.Contains(resp.Err, "\n") {
		p.t.Errorf("%s: %q (%s), want %q (%s)", req.Do, resp.Err, resp.Code, says, code)
	}
	return resp
}

// tree is a release as the other end has it.
type tree struct {
	seal  deploy.Seal
	files map[string]string
}

// newTree is the release id of files, by path.
func newTree(t testing.TB, id string, files map[string]string) tree {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, files)
	m, err := release.Scan(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	packs.Store(m.Digest(), m.Pack(nil))
	return tree{deploy.Seal{Release: id, Digest: m.Digest()}, files}
}

func put(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fill makes the side hold tr, as rsync would.
func fill(t testing.TB, root string, side deploy.Side, tr tree) {
	t.Helper()
	dir := filepath.Join(root, string(side))
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir, tr.files)
}

// prepare, seal and flip are requests about tr.
func prepare(side deploy.Side, tr tree) Request {
	return Request{Do: Prepare, Side: side, Seal: tr.seal}
}
func seal(side deploy.Side, tr tree) Request {
	return Request{Do: Seal, Side: side, Seal: tr.seal, Blob: int64(len(packed(tr.seal)))}
}

// packs are the packed manifests of all trees, by their digests.
var packs sync.Map

// packed is the Blob of a request that has one, and what it is sealed with.
func packed(seal deploy.Seal) []byte {
	b, _ := packs.Load(seal.Digest)
	return b.([]byte)
}
func flip(from, side deploy.Side, tr tree) Request {
	return Request{Do: Flip, From: from, Side: side, Seal: tr.seal}
}

// ship brings tr to side and flips to it.
func (p *peer) ship(root string, from, side deploy.Side, tr tree) Response {
	p.t.Helper()
	if !p.must(prepare(side, tr)).Ready {
		fill(p.t, root, side, tr)
	}
	p.must(seal(side, tr))
	return p.must(flip(from, side, tr))
}

// fast returns a new folder on a file system in memory, where there is one.
func fast(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "pushtrain-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func link(t testing.TB, root string) string {
	t.Helper()
	to, err := os.Readlink(filepath.Join(root, current))
	if err != nil {
		t.Fatal(err)
	}
	return to
}
