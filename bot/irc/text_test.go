package irc

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTopicLimit(t *testing.T) {
	prefix := "bot!~bot@127.0.0.1"
	for _, c := range []struct {
		topicLen int
		prefix   string
		want     int
	}{
		{390, prefix, 390},
		{490, prefix, 510 - len(":"+prefix+" TOPIC #push :")},
		{0, prefix, 300},
		{0, "", 300},
		{490, "", 510 - unknownPrefixLen - len(": TOPIC #push :")},
		{490, strings.Repeat("x", 600), 0},
	} {
		if got := TopicLimit(c.topicLen, c.prefix, "#push"); got != c.want {
			t.Errorf("TopicLimit(%d, %q) = %d, want %d", c.topicLen, c.prefix, got, c.want)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"a\r\nQUIT :x":     "a  QUIT :x",
		"nul\x00 and \x01": "nul and",
		"broken \xff":      "broken \uFFFD",
		"\n":               "",
		"plain":            "plain",
	} {
		if got := clean(text); got != want {
			t.Errorf("clean(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add("alice + bob + carol", 7)
	f.Add("ééééééééé", 3)
	f.Add("é", 1)
	f.Add("a  b", 2)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = limit&0x3f + utf8.UTFMax
		text = clean(text)
		var pieces []string
		for rest := text; rest != ""; {
			var head string
			if head, rest = cut(rest, limit); head == "" {
				t.Fatalf("cut(%q, %d) stands still", text, limit)
			}
			if len(head) > limit || !utf8.ValidString(head) {
				t.Fatalf("cut(%q, %d): piece %q", text, limit, head)
			}
			pieces = append(pieces, head)
		}
		blanks := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if blanks(strings.Join(pieces, "")) != blanks(text) {
			t.Fatalf("cut(%q, %d) lost text: %q", text, limit, pieces)
		}
	})
}
