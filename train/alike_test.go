package train

import (
	"strings"
	"testing"
)

func TestAlike(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"alice", "аlice", true}, // Cyrillic
		{"alice", "al\u200bice", true}, {"alice", "a1ice", true}, {"alice", "alıce", true}, {"alice", "ａlice", true}, {"alice", "𝐚lice", true}, {"alice", "a\u0301lice", true},
		{"Alice", "аLICE", true}, {"bob", "b0b", true}, {"tom", "torn", true}, {"coco", "сосо", true}, {"oscar", "οscar", true},
		{"alice", "alice", false}, {"alice", "ALICE", false}, {"alice", "alicia", false}, {"alice", "alice_", false}, {"bob", "rob", false}, {"", "a", false},
	} {
		if got := ASCII.Alike(c.a, c.b); got != c.want || ASCII.Alike(c.b, c.a) != got {
			t.Errorf("Alike(%q, %q) = %v", c.a, c.b, got)
		}
		if c.want && ASCII.Same(c.a, c.b) {
			t.Errorf("%q and %q are taken for one", c.a, c.b)
		}
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "alice": "alice", "たろう": "たろう", "é ❤": "é ❤", "a\u202eb": "a<U+202E>b", "al\u200bice": "al<U+200B>ice", "\x02b\x02": "<U+0002>b<U+0002>", "a\xffb": "a<FF>b",
		"a\ufffdb": "a<U+FFFD>b", "a\u3164": "a<U+3164>", "a\u2800": "a<U+2800>", "x\ufe0f": "x<U+FE0F>", "a\u00a0b": "a<U+00A0>b", "\U000e0041": "<U+E0041>", "a\nb": "a<U+000A>b",
	} {
		got := Visible(in)
		if got != want {
			t.Errorf("Visible(%q) = %q, want %q", in, got, want)
		}
		if strings.ContainsFunc(got, hidden) || Visible(got) != got {
			t.Errorf("Visible(%q) = %q, in which something is hidden", in, got)
		}
	}
}
