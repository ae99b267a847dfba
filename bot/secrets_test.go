package bot

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"net/url"
	"strings"
	"testing"

	"pushtrain/deploy/fleet"
	"pushtrain/deploy/release"
)

func TestSecrets(t *testing.T) {
	const one, two = "hunter2 & Söhne/+?", "hunter2"
	s := NewSecrets(one, "", two, "a\tb\x01c")
	code := base64.StdEncoding.EncodeToString
	for in, want := range map[string]string{
		"":                     "",
		"plain text, hunter 2": "plain text, hunter 2",
		"pass=" + one + ".":    "pass=*******.",
		two + two + "/" + one:  "**************/*******",
		url.QueryEscape(one):   "*******",
		url.PathEscape(one):    "*******",
		code([]byte(one)):      "*******",
		base64.URLEncoding.EncodeToString([]byte(one)): "*******",
		"\x1b[1mhun\x1b[0mter2":                        "*******",
		"a\tb\x01c":                                    "*******",
		"get https://u:p@h/x":                          "get https://h/x",
		"xxxxhunter" + release.CutMark:                 "xxxx*******" + release.CutMark,
		"xxxxhun" + release.CutMark:                    "xxxxhun" + release.CutMark,
		"xxxxhunter":                                   "xxxxhunter",
	} {
		if got := s.Hide(in); got != want {
			t.Errorf("Hide(%q) = %q, want %q", in, got, want)
		}
	}
	for before := range 4 {
		for after := range 4 {
			in := code([]byte(strings.Repeat("u", before) + one + strings.Repeat("v", after)))
			if got := s.Hide(in); !strings.Contains(got, starred) || len(got) > len(starred)+4*2+4 {
				t.Errorf("Hide(%q), with %d before and %d after = %q", in, before, after, got)
			}
		}
	}
	var none *Secrets
	if got := none.Hide("ftp://u:hunter2@h " + two); got != "ftp://h hunter2" {
		t.Errorf("without secrets: %q", got)
	}
	d := discreet{secrets: s}
	plain := errors.New("plain")
	if err := d.hide(plain); err != plain {
		t.Errorf("an error that tells nothing became %v", err)
	}
	if err := d.hide(&fs.PathError{Op: "open", Path: two, Err: fs.ErrNotExist}); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), two) {
		t.Errorf("an error that tells: %v", err)
	}
	all := d.hosts([]fleet.HostStatus{{Drift: []string{"x: " + two}, Err: errors.New(two)}})
	if all[0].Drift[0] != "x: *******" || all[0].Err.Error() != starred {
		t.Errorf("a host says %+v", all)
	}
}
