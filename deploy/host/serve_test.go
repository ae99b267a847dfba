package host

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushtrain/deploy"
)

func TestRolloutsGoToAndFro(t *testing.T) {
	need(t, "rsync")
	root := filepath.Join(t.TempDir(), "srv", "web")
	p := dial(t, root)
	hello := p.must(Request{Do: Hello})
	if hello.Version != Version || hello.Rsync == "" || !reflect.DeepEqual(hello.Standing, deploy.Standing{}) {
		t.Errorf("hello = %+v", hello)
	}
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("hello has made the root: %v", err)
	}
	one := newTree(t, "1", map[string]string{"index": "1", "lib/a": "a"})
	two := newTree(t, "2", map[string]string{"index": "2", "lib/b": "b"})
	three := newTree(t, "3", map[string]string{"index": "3"})

	p.must(Request{Do: Lock, Stack: "web", By: "alice"})
	p.ship(root, "", deploy.Yin, one)
	if to := link(t, root); to != "yin" {
		t.Errorf("current -> %s", to)
	}
	p.must(Request{Do: Unlock})
	p.epoch = 2
	p.must(Request{Do: Lock})
	resp := p.ship(root, deploy.Yin, deploy.Yang, two)
	st := deploy.Standing{Live: deploy.Yang, Epoch: 2, Sides: map[deploy.Side]deploy.Seal{
		deploy.Yin:  {Release: "1", Digest: one.seal.Digest, Epoch: 1},
		deploy.Yang: {Release: "2", Digest: two.seal.Digest, Epoch: 2},
	}}
	if !reflect.DeepEqual(resp.Standing, st) {
		t.Errorf("standing = %+v, want %+v", resp.Standing, st)
	}
	// All verbs may be said again.
	if again := p.must(flip(deploy.Yin, deploy.Yang, two)); !again.Ready || !reflect.DeepEqual(again.Standing, st) {
		t.Errorf("flip again = %+v", again)
	}
	// Back: the other side is sealed still.
	if !p.must(prepare(deploy.Yin, one)).Ready {
		t.Error("a sealed side is not ready")
	}
	p.must(flip(deploy.Yang, deploy.Yin, one))
	p.ship(root, deploy.Yin, deploy.Yang, three)
	if b, err := os.ReadFile(filepath.Join(root, current, "index")); err != nil || string(b) != "3" {
		t.Errorf("live index = %q, %v", b, err)
	}
	p.must(Request{Do: Unlock})
	p.must(Request{Do: Unlock})
}

func TestBadRequests(t *testing.T) {
	root := t.TempDir()
	p := dial(t, root)
	one := newTree(t, "1", map[string]string{"a": "1"})
	p.must(Request{Do: Lock})
	for _, c := range []struct {
		req  Request
		says string
	}{
		{Request{}, `verb "" is none`},
		{Request{Do: "rm -rf"}, "is none of this protocol"},
		{Request{Do: Hello, Drain: -1}, "less than nothing"},
		{prepare("", one), "neither yin nor yang"},
		{prepare("../x", one), "neither yin nor yang"},
		{prepare("current", one), "neither yin nor yang"},
		{Request{Do: Prepare, Side: deploy.Yin}, "of no release"},
		{Request{Do: Prepare, Side: deploy.Yin, Seal: one.seal, Need: Need{Bytes: -1}}, "less than nothing"},
		{Request{Do: Seal, Side: deploy.Yin, Seal: one.seal}, "without a manifest"},
		{flip(deploy.Yin, deploy.Yin, one), "flip from"},
		{flip("x", deploy.Yin, one), "flip from"},
	} {
		p.refused(c.req, Bad, c.says)
	}
	for says, m := range map[string]deploy.Manifest{
		"l: link to /etc is absolute": {Entries: []deploy.Entry{{Path: "l", Type: deploy.Link, Link: "/etc"}}},
		"digest is":                   {},
	} {
		if resp := p.stream(Request{Do: Seal, Side: deploy.Yin, Seal: one.seal}, m.Pack(nil)); resp.Code != Bad || !strings.Contains(resp.Err, says) {
			t.Errorf("%s: %+v", says, resp)
		}
	}
	for _, line := range []string{"", "{", `{"N":"x"}`, "\xff\x00", `{"Do":"status"} {}`} {
		if resp := p.say([]byte(line)); resp.Code != Bad {
			t.Errorf("%q: %+v", line, resp)
		}
	}
	if resp := p.say([]byte(`{"Do":"fill","Blob":-1}`)); resp.Code != Bad || !strings.Contains(resp.Err, "a Blob of -1 bytes") {
		t.Errorf("less than nothing follows: %+v", resp)
	}
	p.must(Request{Do: Status})
}

func TestServeRefusesRoots(t *testing.T) {
	for _, root := range []string{"", "/", "//", "/x/..", "web", "./web"} {
		if err := Serve(t.Context(), root, prompt{strings.NewReader("")}, new(bytes.Buffer)); err == nil {
			t.Errorf("Serve(%q) went on", root)
		}
	}
}

// endless is a line without an end.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	e.n += len(p)
	return len(p), nil
}

func TestServeEnds(t *testing.T) {
	var out bytes.Buffer
	if err := Serve(t.Context(), t.TempDir(), prompt{strings.NewReader(`{"Do":"status"}`)}, &out); err != nil || out.Len() > 0 {
		t.Errorf("at a request cut off: %v, %q", err, &out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Serve(ctx, t.TempDir(), prompt{strings.NewReader("{}\n")}, &out); !errors.Is(err, context.Canceled) || out.Len() > 0 {
		t.Errorf("at the end of its context: %v, %q", err, &out)
	}
	in := new(endless)
	const limit = 1 << 20
	if err := new(session).serve(t.Context(), prompt{in}, &out, limit); !errors.Is(err, errTooLong) || in.n > limit+heard || !strings.Contains(out.String(), `"Code":"bad"`) {
		t.Errorf("at an endless line: %v after %d bytes, %q", err, in.n, &out)
	}
}

// Work that takes long is heard of every BusyEvery, and ends when nobody is there to hear it.
func TestBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		s := &session{out: w, n: 7}
		heard := make(chan string)
		go func() {
			b, _ := io.ReadAll(io.LimitReader(r, 3*int64(len(`{"N":7,"Heard":0,"Told":0,"Busy":true}`+"\n"))))
			r.Close()
			heard <- string(b)
		}()
		began := time.Now()
		err := s.beat(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		if took := time.Since(began); !errors.Is(err, io.ErrClosedPipe) || took != 4*BusyEvery {
			t.Errorf("after %s: %v", took, err)
		}
		if got, want := <-heard, strings.Repeat(`{"N":7,"Heard":0,"Told":0,"Busy":true}`+"\n", 3); got != want {
			t.Errorf("it said %s", got)
		}
		broken := errors.New("broken")
		if err := s.beat(t.Context(), func(context.Context) error { return broken }); err != broken {
			t.Errorf("work that fails: %v", err)
		}
	})
}

// A look that takes long says so, and one that nobody waits for any more gives the lock back long before its end.
func TestLongLook(t *testing.T) {
	need(t, "rsync")
	const size = 1 << 40 // of a file with nothing in it: to read it takes minutes
	for _, verb := range []Verb{Lock, Seal, Audit} {
		t.Run(string(verb), func(t *testing.T) {
			root := fast(t)
			one := newTree(t, "1", map[string]string{"a": "1"})
			p, deafen := deafPeer(t, root)
			p.must(Request{Do: Lock})
			p.ship(root, "", deploy.Yin, one)
			req := seal(deploy.Yin, one)
			switch verb {
			case Lock:
				p.epoch++
				req = Request{Do: Lock, Prove: true}
			case Seal:
				p.must(prepare(deploy.Yang, one))
				fill(t, root, deploy.Yang, one)
				req.Side = deploy.Yang
			case Audit:
				req.Do = Audit
			}
			if err := os.Truncate(filepath.Join(root, string(cmp.Or(req.Side, deploy.Yin)), "a"), size); err != nil {
				t.Fatal(err)
			}
			if _, err := p.in.Write(p.request(req)); err != nil {
				t.Fatal(err)
			}
			if !p.out.Scan() || !strings.Contains(p.out.Text(), `"Busy":true`) {
				t.Fatalf("%q", p.out.Text())
			}
			if err := deafen(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-p.ended:
			case <-time.After(30 * time.Second):
				t.Fatal("it goes on")
			}
			dial(t, root).must(Request{Do: Lock, Epoch: 3})
		})
	}
}
