package deploy_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"pushtrain/deploy"
)

func odd() deploy.Manifest {
	sum := strings.Repeat("0af9", 16)
	return deploy.Manifest{Entries: []deploy.Entry{
		{Path: "-rf", Type: deploy.File, Perm: 0o644, Size: 1 << 40, Sum: sum},
		{Path: "a\nb", Type: deploy.Dir, Perm: 0o755},
		{Path: "a\nb/\xff\xfe", Type: deploy.File, Sum: sum},
		{Path: "link", Type: deploy.Link, Link: "a\nb/\xff"},
	}}
}

func TestPack(t *testing.T) {
	for _, m := range []deploy.Manifest{{Entries: []deploy.Entry{}}, odd()} {
		b := m.Pack([]byte("before"))
		got, rest, err := deploy.Unpack(append(b[len("before"):], "after"...))
		if err != nil || string(rest) != "after" || !reflect.DeepEqual(got, m) || got.Digest() != m.Digest() {
			t.Errorf("%+v, %q, %v; want %+v", got, rest, err, m)
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	whole := odd().Pack(nil)
	for i := range whole {
		if m, _, err := deploy.Unpack(whole[:i]); err == nil {
			t.Fatalf("%d of %d bytes are %+v", i, len(whole), m)
		}
	}
	up := deploy.Manifest{Entries: []deploy.Entry{{Path: "../x", Type: deploy.Dir}}}
	big := []byte("pushtrain packed 1\n\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
	for name, b := range map[string][]byte{
		"out of the tree": up.Pack(nil), "too many": big,
		"another type": bytes.Replace(whole, []byte("d\x03a\nb"), []byte("x\x03a\nb"), 1),
	} {
		if m, _, err := deploy.Unpack(b); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// Whatever is read as a manifest is one, and is read back from its own packing.
func FuzzUnpack(f *testing.F) {
	f.Add(odd().Pack(nil))
	f.Add([]byte("pushtrain packed 1\n\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, rest, err := deploy.Unpack(b)
		if err != nil {
			return
		}
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		again, none, err := deploy.Unpack(m.Pack(nil))
		if err != nil || len(none) > 0 || !reflect.DeepEqual(again, m) || len(rest) > len(b) {
			t.Fatalf("%+v is read back as %+v, %v", m, again, err)
		}
	})
}
