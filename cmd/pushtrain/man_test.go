package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushtrain/bot"
	"pushtrain/train"
)

// TestManPage: both readers of manual pages find nothing to complain about, and
// every command, flag, word of the channel and exit code is in it as a reader sees it.
func TestManPage(t *testing.T) {
	needForTest(t, "man", "man-db")
	needForTest(t, "mandoc", "mandoc")
	root := newRoot()
	path := filepath.Join(t.TempDir(), "pushtrain.1")
	if err := os.WriteFile(path, []byte(manPage(root, "2026-01-31")), 0o644); err != nil {
		t.Fatal(err)
	}
	lint := exec.Command("mandoc", "-Tlint", "-Wwarning", path)
	if said, err := lint.CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("mandoc: %v\n%s", err, said)
	}
	show := exec.Command("man", "--warnings", "-E", "UTF-8", "-l", path)
	show.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=1000", "MANROFFOPT=-c", "MAN_KEEP_FORMATTING=", "GROFF_NO_SGR=1")
	var said, complaints strings.Builder
	show.Stdout, show.Stderr = &said, &complaints
	if err := show.Run(); err != nil || complaints.Len() > 0 {
		t.Errorf("man: %v\n%s", err, &complaints)
	}
	text := regexp.MustCompile(`.\x08`).ReplaceAllString(said.String(), "")
	var has func(c *cobra.Command)
	has = func(c *cobra.Command) {
		if c.Hidden {
			return
		}
		if line := strings.TrimSuffix(c.UseLine(), " [flags]"); c.Runnable() && !strings.Contains(text, line) {
			t.Errorf("the page does not tell of %s", line)
		}
		c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && f.Name != "help" && !strings.Contains(text, "--"+f.Name) {
				t.Errorf("the page does not tell of %s --%s", c.CommandPath(), f.Name)
			}
		})
		for _, sub := range c.Commands() {
			has(sub)
		}
	}
	has(root)
	rules := train.Rules{Stacks: []train.Stack{{Name: "web", Stages: []train.Stage{{Name: "princess"}, {Name: "prod"}}}}}
	for _, c := range bot.Commands(rules) {
		if !strings.Contains(text, strings.TrimSpace("."+c.Name+" "+c.Args)) || !strings.Contains(text, c.Does) {
			t.Errorf("the page does not tell of .%s %s: %s", c.Name, c.Args, c.Does)
		}
	}
	for _, code := range []string{"0 +done", "4 +not now", "78 +the configuration is wrong", "130 +interrupted"} {
		if !regexp.MustCompile(`(?m)^ +` + code).MatchString(text) {
			t.Errorf("the page does not tell of exit code %s", code)
		}
	}
}

// TestRoff: text stands for itself, whatever roff would make of it.
func TestRoff(t *testing.T) {
	for text, want := range map[string]string{
		"./config.yaml\n.so x\n'br": `\&./config.yaml` + "\n" + `\&.so x` + "\n" + `\(aqbr`,
		`a\b --c`:                   `a\eb \-\-c`,
	} {
		if got := roff(text); got != want {
			t.Errorf("roff(%q) = %q, want %q", text, got, want)
		}
	}
}
