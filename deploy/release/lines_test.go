package release

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

func split(writes ...string) []string {
	var got []string
	l := NewLines(func(line string) { got = append(got, line) })
	for _, w := range writes {
		if n, err := l.Write([]byte(w)); n != len(w) || err != nil {
			panic("lines did not take all")
		}
	}
	l.End()
	return got
}

func TestLines(t *testing.T) {
	cases := []struct {
		name   string
		writes []string
		want   []string
	}{
		{"all ends", []string{"a\nb\r\nc\rd"}, []string{"a", "b", "c", "d"}},
		{"cut anywhere", []string{"a", "b\r", "\nc", "\n"}, []string{"ab", "c"}},
		{"empty lines", []string{"\n\na\n"}, []string{"", "", "a"}},
		{"colour", []string{"\x1b[1;31mred\x1b[0m\n"}, []string{"red"}},
		{"control", []string{"a\x00\x07\tb\x1b]0;t\x07\u202e\n"}, []string{"a\uFFFD\uFFFD b\uFFFD"}},
		{"sequences", []string{"\x1b(B\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x1bPq#1\x1b\\\x1b[?25l\x1b7ok\x1b[38;2;1;2;3m!\x1b\n"}, []string{"link ok!\uFFFD"}},
		{"not UTF-8", []string{"a\xff\n"}, []string{"a\uFFFD"}},
		{"password", []string{"fatal: https://u:s\x1b[mecret@h/x and ssh://git@h\n"}, []string{"fatal: https://h/x and ssh://h"}},
		{"password with @", []string{"https://u:p@ss@h/x, mail a@b\n"}, []string{"https://h/x, mail a@b"}},
		{"longest", []string{strings.Repeat("x", 4096) + "\n"}, []string{strings.Repeat("x", 4096)}},
		{"too long", []string{strings.Repeat("x", 9000) + "\nb\n"}, []string{strings.Repeat("x", 4096) + " …", "b"}},
	}
	for _, c := range cases {
		if got := split(c.writes...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add("a\r\nb", "\x1b[3")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, line := range split(a, b) {
			if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) && r != '\uFFFD' }) {
				t.Fatalf("line %q is not safe", line)
			}
		}
	})
}
