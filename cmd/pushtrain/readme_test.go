package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"pushtrain/bot"
	"pushtrain/deploy/webserver"
	"pushtrain/train"
)

var updateReadme = flag.Bool("update-readme", false, "rewrite what the README has from the code")

// TestReadmeCommands: the README's table is the one in code.
func TestReadmeCommands(t *testing.T) {
	const from = "<!-- commands: from the table in bot/command.go -->\n"
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
	readmeHas(t, from, table.String())
}

// TestReadmeNginx: what the README tells nginx is what init prints.
func TestReadmeNginx(t *testing.T) {
	files, err := webserver.Config("nginx", webserver.Site{Root: "/srv/www/web"})
	if err != nil {
		t.Fatal(err)
	}
	readmeHas(t, "<!-- nginx: from deploy/webserver/conf -->\n", "```\n"+files[0].Text+"```\n")
}

// TestReadmeSimulated: the tables in the README are what simulate prints.
func TestReadmeSimulated(t *testing.T) {
	readmeHas(t, "<!-- simulated: from pushtrain simulate --talk -->\n", talkTables())
}

// readmeHas compares what stands between from and the next end with want.
func readmeHas(t *testing.T, from, want string) {
	t.Helper()
	const path, to = "../../README.md", "<!-- end -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), from)
	old, after, ok2 := strings.Cut(rest, to)
	switch {
	case !ok || !ok2:
		t.Fatalf("the README has no place %s", from)
	case old == want:
		return
	case !*updateReadme:
		t.Fatal("the README does not say what the code does: run this test with -update-readme")
	}
	if err := os.WriteFile(path, []byte(before+from+want+to+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
