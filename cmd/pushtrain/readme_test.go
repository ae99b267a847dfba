package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"pushtrain/bot"
	"pushtrain/train"
)

var updateReadme = flag.Bool("update-readme", false, "rewrite the README's table of commands")

// TestReadmeCommands: the README's table is the one in code.
func TestReadmeCommands(t *testing.T) {
	const path, from, to = "../../README.md", "<!-- commands: from the table in bot/command.go -->\n", "<!-- end -->"
	rules := train.Rules{Stacks: []train.Stack{{Name: "web", Stages: []train.Stage{{Name: "princess"}, {Name: "prod"}}}}}
	var table strings.Builder
	table.WriteString("| command | who | does |\n|---|---|---|\n")
	for _, c := range bot.Commands(rules) {
		name := "`." + strings.TrimSpace(c.Name+" "+strings.ReplaceAll(c.Args, "|", `\|`)) + "`"
		if len(c.Aliases) > 0 {
			name += " (`." + strings.Join(c.Aliases, "` `.") + "`)"
		}
		fmt.Fprintf(&table, "| %s | %s | %s |\n", name, c.Who, c.Does)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), from)
	old, after, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatal("the README has no place for the commands")
	}
	if old == table.String() {
		return
	}
	if !*updateReadme {
		t.Fatal("the README's commands are not those of the code: run this test with -update-readme")
	}
	if err := os.WriteFile(path, []byte(before+from+table.String()+to+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
