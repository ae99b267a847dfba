package main

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
)

// hostileWords are what some program on the way could take for something else.
var hostileWords = []string{
	"-oProxyCommand=touch x", "-", "a$(touch x)", "a`touch x`", "a;touch x", "a|b", "a&b", "a>b", "a'b", `a"b`, `a\b`, "a!b", "a*", "a\nb", "a\rb",
	"a\x00b", "a\x1b[31mb", "a\x7fb", "a\u009bb", "a\u202eb", "a\u200bb", strings.Repeat("a", 10_000),
}

// TestHostileWords puts each into each field of a configuration that reaches an
// argv, a host or the topic: one problem, at that field, in one line that any
// terminal can show.
func TestHostileWords(t *testing.T) {
	const config = `
irc: {server: "127.0.0.1:6667", tls: false, channel: "#push"}
stacks:
  - {name: %[1]s, aliases: [%[2]s], root: %[3]s, source: {repo: %[4]s, branch: %[5]s}, stages: [
      {name: %[6]s, hosts: [{name: %[7]s, addr: %[8]s}, {name: b, local: true, root: %[9]s}]}]}
`
	good := []string{"web", "w", "/srv/www/web", "/srv/git/web.git", "main", "prod", "web1", "deploy@web1.example", "/srv/b"}
	fields := []string{"name", "aliases[0]", "root", "source.repo", "source.branch", "stages[0].name", "stages[0].hosts[0]", "stages[0].hosts[0]", "stages[0].hosts[1].root"}
	try := func(field int, word string) []Problem {
		args := make([]any, len(good))
		for i, g := range good {
			if i == field {
				g = word
			}
			args[i] = yamlQuote(g)
		}
		_, problems := loadConfig("config.yaml", fmt.Appendf(nil, config, args...))
		return problems
	}
	if problems := try(-1, ""); len(problems) > 0 {
		t.Fatalf("a good file: %v", problems)
	}
	for i, field := range fields {
		for _, word := range hostileWords {
			switch {
			case field == "root" || strings.HasSuffix(field, ".root"):
				if word[0] == '-' {
					continue // behind a slash it is no option
				}
				word = "/srv/" + word
			case field == "source.repo" && !strings.HasPrefix(word, "-") && len(word) < 100 && strings.IndexFunc(word, unicode.IsControl) < 0:
				continue // a path or an address: data, which no shell gets
			}
			problems := try(i, word)
			if len(problems) != 1 || problems[0].Key != "stacks[0]."+field {
				t.Errorf("%s: %.40q gives %.300v", field, word, problems)
				continue
			}
			if text := problems[0].String(); len(text) > 400 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%s: %.40q is told as %.500q", field, word, text)
			}
		}
	}
	if _, problems := loadConfig("config.yaml", []byte("irc: {server: \"a\xffb\"}")); len(problems) == 0 {
		t.Error("a file that is not UTF-8 passes")
	}
}

// yamlQuote writes text for YAML, in double quotes.
func yamlQuote(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\U%08x`, r)
	}
	return `"` + b.String() + `"`
}

// TestRootsOfOthers: no root is a folder that holds other things too.
func TestRootsOfOthers(t *testing.T) {
	for _, root := range []string{
		"/", "//", "/.", "/srv/..", "/srv", "/home", "/home/alice", "/home/alice/", "/home/../root", "/root", "/root/", "/etc", "/etc/web", "/usr/local", "/var/www", "/var/lib",
		"/tmp", "/boot/x", "/proc/1", "~", "~/web", "$HOME/web", "srv/web", "./web", "../web", ".", "C:/web",
	} {
		for _, where := range []string{
			`root: %q, stages: [{name: prod, hosts: [web1]}]`,
			`stages: [{name: prod, hosts: [{name: web1, root: %q}]}]`,
			`stages: [{name: prod, hosts: [{name: web1, local: true, root: %q}]}]`,
		} {
			text := `{irc: {server: "127.0.0.1:6667", tls: false, channel: "#push"}, stacks: [{name: web, source: {repo: r}, ` + fmt.Sprintf(where, root) + `}]}`
			_, problems := loadConfig("config.yaml", []byte(text))
			if len(problems) == 0 || !strings.HasSuffix(problems[0].Key, "root") {
				t.Errorf("%s passes: %v", text, problems)
			}
		}
	}
}
