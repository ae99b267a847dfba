package deploy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

var (
	sumA = strings.Repeat("a", 64)
	sumB = strings.Repeat("b", 64)
)

func file(path, sum string) Entry {
	return Entry{Path: path, Type: File, Perm: 0o644, Size: 3, Sum: sum}
}
func dir(path string) Entry      { return Entry{Path: path, Type: Dir, Perm: 0o755} }
func link(path, to string) Entry { return Entry{Path: path, Type: Link, Link: to} }

func manifest(entries ...Entry) Manifest { return Manifest{Entries: entries} }

func TestCheck(t *testing.T) {
	good := map[string]Manifest{
		"empty":              {},
		"file":               manifest(file("a", sumA)),
		"order is of bytes":  manifest(dir("a"), file("a-b", sumA), file("a/b", sumA)),
		"odd names":          manifest(file("-rf", sumA), file("..a", sumA), file("a b", sumA), file("b\nc\xff", sumA)),
		"link beside":        manifest(link("a", "b")),
		"link dangling":      manifest(dir("a"), link("a/b", "../none/at/all")),
		"link to top":        manifest(dir("a"), link("a/b", "..")),
		"link to itself":     manifest(link("a", "./a")),
		"link, dots in name": manifest(link("a", "..b/...")),
	}
	for name, m := range good {
		if err := m.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := map[string]struct {
		m    Manifest
		says string
	}{
		"no path":            {manifest(file("", sumA)), `"": is not a clean relative path`},
		"top":                {manifest(dir(".")), ".: is not a clean"},
		"up":                 {manifest(dir("..")), "..: is not a clean"},
		"up and in":          {manifest(file("../a", sumA)), "../a: is not a clean"},
		"inner up":           {manifest(file("a/../b", sumA)), "a/../b: is not a clean"},
		"absolute":           {manifest(file("/a", sumA)), "/a: is not a clean"},
		"slash at the end":   {manifest(dir("a/")), "a/: is not a clean"},
		"double slash":       {manifest(dir("a"), file("a//b", sumA)), "a//b: is not a clean"},
		"NUL":                {manifest(file("a\x00b", sumA)), `"a\x00b": is not a clean`},
		"twice":              {manifest(file("a", sumA), file("a", sumA)), "a: is named twice"},
		"unsorted":           {manifest(file("b", sumA), file("a", sumA)), "a: is out of order"},
		"below a file":       {manifest(file("a", sumA), file("a/b", sumA)), "a/b: its folder is not a folder"},
		"below a link":       {manifest(link("a", "b"), file("a/b", sumA)), "a/b: its folder is not a folder"},
		"below nothing":      {manifest(file("a/b", sumA)), "a/b: its folder is not a folder"},
		"setuid":             {manifest(Entry{Path: "a", Type: File, Perm: 0o4755, Sum: sumA}), "a: mode 04755 is more"},
		"type":               {manifest(Entry{Path: "a", Type: "fifo"}), `a: type "fifo" is none`},
		"size":               {manifest(Entry{Path: "a", Type: File, Size: -1, Sum: sumA}), "a: is not the entry of a file"},
		"no sum":             {manifest(file("a", "")), "a: is not the entry of a file"},
		"sum in capitals":    {manifest(file("a", strings.ToUpper(sumA))), "a: is not the entry of a file"},
		"folder with a sum":  {manifest(Entry{Path: "a", Type: Dir, Sum: sumA}), "a: is not the entry of a folder"},
		"link with a mode":   {manifest(Entry{Path: "a", Type: Link, Link: "b", Perm: 1}), "a: is not the entry of a link"},
		"link to nothing":    {manifest(link("a", "")), "a: link without a target"},
		"link, absolute":     {manifest(link("a", "/etc/passwd")), "a: link to /etc/passwd is absolute"},
		"link out":           {manifest(link("a", "..")), "a: link to .. leads out"},
		"link out from deep": {manifest(dir("a"), link("a/b", "../../c")), "a/b: link to ../../c leads out"},
		"link out and in":    {manifest(dir("a"), link("a/b", "../../r/a")), "a/b: link to ../../r/a leads out"},
		"link up by a link":  {manifest(link("a", "b/../..")), "a: link to b/../.. goes up behind a name"},
	}
	for name, c := range bad {
		if err := c.m.Check(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: Check() = %v, want %q", name, err, c.says)
		}
	}
}

func TestCheckNamesMany(t *testing.T) {
	var m Manifest
	for i := range 25 {
		m.Entries = append(m.Entries, link(fmt.Sprintf("l%02d", i), "/"))
	}
	err := m.Check()
	if err == nil || strings.Count(err.Error(), "absolute") != 10 || !strings.HasSuffix(err.Error(), "; and 15 more") {
		t.Errorf("Check() = %v", err)
	}
}

func TestDigestTellsApart(t *testing.T) {
	all := []Manifest{
		{},
		manifest(file("a", sumA)),
		manifest(file("a", sumB)),
		manifest(file("b", sumA)),
		manifest(Entry{Path: "a", Type: File, Perm: 0o755, Size: 3, Sum: sumA}),
		manifest(Entry{Path: "a", Type: File, Perm: 0o644, Size: 4, Sum: sumA}),
		manifest(dir("a")),
		manifest(dir("a"), dir("b")),
		manifest(link("a", "b")),
		manifest(link("ab", "")),
		manifest(link("", "ab")),
		manifest(link("a", "bc")),
		manifest(link("ab", "c")),
		manifest(file("a\n"+sumA, sumA)),
	}
	seen := make(map[string]int)
	for i, m := range all {
		d := m.Digest()
		if len(d) != 64 || d != m.Digest() {
			t.Errorf("%d: Digest() = %q, not one SHA-256", i, d)
		}
		if j, ok := seen[d]; ok {
			t.Errorf("%v and %v have one digest", all[j], m)
		}
		seen[d] = i
	}
	// The canonical form is a promise to seals on hosts: it must not drift.
	const known = "c44be884ffd81bae7f7aafb96b2a6ece5aff7d35a49287f9a6f928d99728c89a"
	if d := manifest(dir("a"), file("a/b", sumA), link("l", "a/b")).Digest(); d != known {
		t.Errorf("Digest() = %s, want %s", d, known)
	}
}

func TestCaseTwins(t *testing.T) {
	if err := manifest(dir("a"), file("a/b", sumA), file("a/c", sumB), link("l", "a/b")).CaseTwins(); err != nil {
		t.Errorf("CaseTwins() = %v", err)
	}
	m := manifest(dir("Lib"), file("Lib/x", sumA), dir("lib"), file("lib/x", sumA), file("É", sumA), file("é", sumB))
	const want = "paths that differ in nothing but case: Lib and lib; É and é"
	if err := m.CaseTwins(); err == nil || err.Error() != want {
		t.Errorf("CaseTwins() = %v, want %s", err, want)
	}
	var many Manifest
	for _, c := range []string{"A", "a"} {
		for i := range 12 {
			many.Entries = append(many.Entries, file(fmt.Sprintf("%s%02d", c, i), sumA))
		}
	}
	if err := many.CaseTwins(); err == nil || !strings.HasSuffix(err.Error(), "; A09 and a09; and 2 more") {
		t.Errorf("CaseTwins() = %v", err)
	}
}

func TestDiff(t *testing.T) {
	want := manifest(
		file("a", sumA), file("b", sumA), dir("c"), link("d", "a"), file("e", sumA), file("same", sumA),
		Entry{Path: "x", Type: File, Perm: 0o755, Size: 3, Sum: sumA}, file("z", sumA))
	got := manifest(
		file("a", sumB), dir("c"), link("d", "b"), link("e", "a"), file("f\x1b[31m", sumA), file("same", sumA),
		Entry{Path: "x", Type: File, Perm: 0o644, Size: 4, Sum: sumB})
	lines := []string{
		"a: content differs",
		"b: missing",
		"d: link to b, want a",
		"e: is a link, want a file",
		`"f\x1b[31m": not in the release`,
		"x: content differs, mode 0644, want 0755",
		"z: missing",
	}
	if d := Diff(want, got, 0); !slices.Equal(d, lines) {
		t.Errorf("Diff = %q", d)
	}
	if d := Diff(want, got, 2); !slices.Equal(d, lines[:2]) {
		t.Errorf("Diff, at most 2 = %q", d)
	}
	if d := Diff(want, want, 0); d != nil {
		t.Errorf("Diff of equals = %q", d)
	}
	if n, b := want.Files(), want.Bytes(); n != 6 || b != 18 {
		t.Errorf("Files, Bytes = %d, %d", n, b)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add("a", "b", "a/b", "../b", uint32(0o644), int64(3))
	f.Add("-", "\xff", "a\xfe", "x\x00", uint32(0o7777), int64(-1))
	f.Fuzz(func(t *testing.T, p1, p2, p3, to string, perm uint32, size int64) {
		m := manifest(Entry{Path: p1, Type: Dir, Perm: perm}, link(p2, to), Entry{Path: p3, Type: File, Perm: perm, Size: size, Sum: sumA})
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var back Manifest
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(back.Entries, m.Entries) || back.Digest() != m.Digest() {
			t.Fatalf("%+v came back as %+v", m, back)
		}
		if d := Diff(m, back, 0); m.Check() == nil && d != nil {
			t.Fatalf("differs from itself: %q", d)
		}
		if err := m.Check(); err != nil && strings.ContainsAny(err.Error(), "\n\r\x00\x1b") {
			t.Fatalf("refusal is not one plain line: %q", err)
		}
	})
}
