package host

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

// Whatever a session says: it gets an answer to each line, nothing outside of
// the root's own state, link and side folders is touched, and no file of a side is.
func FuzzServe(f *testing.F) {
	one := newTree(f, "1", map[string]string{"a": "1"})
	script := func(reqs ...Request) []byte {
		var b bytes.Buffer
		for _, req := range reqs {
			if err := json.NewEncoder(&b).Encode(req); err != nil {
				f.Fatal(err)
			}
			if req.Blob > 0 {
				b.Write(packed(req.Seal))
			}
		}
		return b.Bytes()
	}
	with := func(req Request) Request { req.Epoch = 3; return req }
	f.Add(script(Request{Do: Hello}, with(Request{Do: Lock}), with(prepare(deploy.Yang, one)), with(seal(deploy.Yang, one)),
		with(flip(deploy.Yin, deploy.Yang, one)), Request{Do: Status}, with(Request{Do: Unlock})))
	f.Add(script(with(Request{Do: Lock}), with(Request{Do: Flip, Side: "../x", From: "yin", Seal: one.seal})))
	f.Add([]byte("\n{}\n[1]\nnull\n\x00\xff\n{\"Blob\":3}\nabc{}\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 1<<20 || runs(in) {
			return
		}
		top := fast(t)
		root := filepath.Join(top, "root")
		put(t, top, map[string]string{"canary": "c", "root/canary": "c", "root/yin/a": "live", "root/yang/a": "1"})
		if err := os.Symlink("yin", filepath.Join(root, current)); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := Serve(context.Background(), root, prompt{bytes.NewReader(in)}, &out); err != nil {
			t.Fatal(err)
		}
		if got, want := bytes.Count(out.Bytes(), []byte("\n")), requests(in); got != want {
			t.Errorf("%d answers to %d requests", got, want)
		}
		for name, want := range map[string]string{"canary": "c", "root/canary": "c", "root/yin/a": "live", "root/yang/a": "1"} {
			if b, err := os.ReadFile(filepath.Join(top, name)); err != nil || string(b) != want {
				t.Errorf("%s: %q, %v", name, b, err)
			}
		}
		if list := strings.TrimPrefix(names(t, root), state+" "); names(t, top) != "canary root" || list != "canary current yang yin" {
			t.Errorf("in the folders: %s; %s", names(t, top), list)
		}
	})
}

// requests counts the lines of in, without what is in a Blob.
func requests(in []byte) int {
	for n := 0; ; n++ {
		line, rest, whole := bytes.Cut(in, []byte("\n"))
		if !whole {
			return n
		}
		var req Request
		if json.Unmarshal(line, &req) == nil && req.Blob > 0 {
			rest = rest[min(req.Blob, int64(len(rest))):]
		}
		in = rest
	}
}

// FuzzFill: whatever is said to be a release, or its contents, nothing outside
// the side is touched, and nothing is sealed but the release that was asked for.
func FuzzFill(f *testing.F) {
	_, next := two(f)
	f.Add(next.blob, []byte("2bccc"))
	f.Add(next.blob[:len(next.blob)-1], []byte("2b"))
	f.Add([]byte("\n{}\n"), []byte("\n"))
	f.Fuzz(func(t *testing.T, blob, files []byte) {
		top := fast(t)
		root := filepath.Join(top, "root")
		put(t, top, map[string]string{"canary": "c", "root/canary": "c", "root/yin/a": "live"})
		must(t, os.Symlink("yin", filepath.Join(root, current)))
		p := dial(t, root)
		p.must(Request{Do: Lock})
		seal := next.seal
		if m, _, err := deploy.Unpack(blob); err == nil {
			seal.Digest = m.Digest()
		}
		p.must(Request{Do: Prepare, Side: deploy.Yang, Seal: seal})
		p.stream(Request{Do: Fill, Side: deploy.Yang, Seal: seal}, blob)
		p.stream(Request{Do: Files, Side: deploy.Yang, Seal: seal}, files)
		if resp := p.ask(Request{Do: Seal, Side: deploy.Yang, Seal: seal}); resp.Err == "" {
			if m, err := release.Scan(t.Context(), filepath.Join(root, "yang")); err != nil || m.Digest() != seal.Digest {
				t.Errorf("sealed, and it holds another tree: %v", err)
			}
		}
		for _, name := range []string{"canary", "root/canary", "root/yin/a"} {
			if b, err := os.ReadFile(filepath.Join(top, name)); err != nil || string(b) != "c" && string(b) != "live" {
				t.Errorf("%s: %q, %v", name, b, err)
			}
		}
		if list := strings.TrimPrefix(names(t, root), state+" "); names(t, top) != "canary root" || list != "canary current yang yin" {
			t.Errorf("in the folders: %s; %s", names(t, top), list)
		}
	})
}

// names returns the names in dir, one blank between them.
func names(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range list {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

// runs reports whether in has a request that would run a program here.
func runs(in []byte) bool {
	for line := range bytes.Lines(in) {
		var req Request
		if err := json.Unmarshal(line, &req); err == nil && (req.Do == Before || req.Do == After) {
			return true
		}
	}
	return false
}
