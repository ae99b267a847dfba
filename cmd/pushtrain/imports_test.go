package main

import (
	"go/ast"
	gobuild "go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ours is what each package may import of this module: the arrows of the design.
// Packages that only tests import (fleettest, irctest, webtest, sim) are not in anyone's list.
var ours = map[string][]string{
	"train":                  nil,
	"train/model":            nil,
	"deploy":                 nil,
	"deploy/sim":             {"deploy", "deploy/host"},
	"deploy/release":         {"deploy"},
	"deploy/host":            {"deploy", "deploy/release", "deploy/webserver"},
	"deploy/fleet":           {"deploy", "deploy/host", "deploy/release"},
	"deploy/fleet/fleettest": nil,
	"deploy/host/powertest":  nil,
	"deploy/webserver":       nil,
	"bot/ircd":               nil,
	"bot/store":              nil,
	"bot/irc":                {"train"},
	"bot/irc/irctest":        nil,
	"bot/watch":              nil,
	"bot":                    {"bot/irc", "bot/store", "bot/watch", "deploy", "deploy/fleet", "deploy/release", "train"},
	"bot/tell":               {"bot"},
	"bot/web":                {"bot", "deploy", "train"},
	"bot/web/webtest":        nil,
	"cmd/pushtrain":          {"bot", "bot/irc", "bot/ircd", "bot/store", "bot/tell", "bot/watch", "bot/web", "deploy", "deploy/fleet", "deploy/host", "deploy/release", "deploy/webserver", "train", "train/model"},
}

// owners are the packages that may import a module of others.
var owners = map[string][]string{
	"go.etcd.io/bbolt":          {"bot/store"},
	"github.com/lrstanley/girc": {"bot/irc"},
	"github.com/rs/zerolog":     {"bot", "bot/irc", "cmd/pushtrain"},
	"go.yaml.in/yaml/v4":        {"cmd/pushtrain"},
	"github.com/spf13/cobra":    {"cmd/pushtrain"},
	"github.com/spf13/pflag":    {"cmd/pushtrain"},
	"golang.org/x/crypto":       {"bot/web"},
	"golang.org/x/term":         {"cmd/pushtrain"},
	"github.com/hanwen/go-fuse": {"deploy/host/powertest"},
	"golang.org/x/sys":          {"cmd/pushtrain", "deploy/fleet", "deploy/host", "deploy/host/powertest", "deploy/release"},
}

// pure are the packages that only compute.
var pure = []string{"train", "train/model", "deploy"}

// pureImports are what they may import of the standard library.
var pureImports = strings.Fields(`
	cmp crypto/sha256 encoding/binary encoding/hex encoding/json errors fmt iter maps math path
	reflect slices strconv strings time unicode unicode/utf8`)

// impure are what a pure package may not use of what it may import: clocks and terminals.
var impure = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local", "LoadLocation"},
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

// TestArrows holds every package to who may import whom.
func TestArrows(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	problems, packages := brokenArrows(t, root)
	for _, p := range problems {
		t.Error(p)
	}
	for _, p := range packages {
		if _, ok := ours[p]; !ok {
			t.Errorf("%s has no arrows: give it a place in the design, and in this test", p)
		}
	}
	for p := range ours {
		if !slices.Contains(packages, p) {
			t.Errorf("%s is not there any more", p)
		}
	}
}

// brokenArrows names what is wrong in the packages below root, and lists them.
func brokenArrows(t *testing.T, root string) (problems, packages []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case d.Name() == "testdata" || path != root && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		}
		p, err := gobuild.ImportDir(path, 0)
		if _, none := err.(*gobuild.NoGoError); none {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		packages = append(packages, name)
		for _, imported := range p.Imports {
			if why := forbidden(name, imported); why != "" {
				problems = append(problems, name+" imports "+imported+": "+why)
			}
		}
		if slices.Contains(pure, name) {
			for _, file := range p.GoFiles {
				problems = append(problems, impureUses(t, filepath.Join(path, file), name)...)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return problems, packages
}

// forbidden says why a package may not import another, "" when it may.
func forbidden(name, imported string) string {
	if own, ok := strings.CutPrefix(imported, "pushtrain/"); ok {
		if !slices.Contains(ours[name], own) {
			return "no arrow leads there"
		}
		return ""
	}
	if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
		for module, who := range owners {
			if imported == module || strings.HasPrefix(imported, module+"/") {
				if !slices.Contains(who, name) {
					return "it belongs to " + strings.Join(who, ", ")
				}
				return ""
			}
		}
		return "no package may"
	}
	if slices.Contains(pure, name) && !slices.Contains(pureImports, imported) {
		return "the package is pure"
	}
	return ""
}

// impureUses finds the clocks and terminals that a file uses.
func impureUses(t *testing.T, path, name string) []string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	called := map[string]string{} // import path by the name in the file
	for _, i := range file.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		local := imported[strings.LastIndex(imported, "/")+1:]
		if i.Name != nil {
			local = i.Name.Name
		}
		called[local] = imported
	}
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && slices.Contains(impure[called[x.Name]], s.Sel.Name) {
				out = append(out, name+" uses "+x.Name+"."+s.Sel.Name+" at "+files.Position(s.Pos()).String()+": the package is pure")
			}
		}
		return true
	})
	return out
}

// TestArrowsBreak: the check sees each kind of breach.
func TestArrowsBreak(t *testing.T) {
	for _, c := range []struct{ pkg, text, want string }{
		{"train", `import _ "os"`, "train imports os: the package is pure"},
		{"train", `import _ "math/rand"`, "train imports math/rand: the package is pure"},
		{"train", `import _ "pushtrain/deploy"`, "train imports pushtrain/deploy: no arrow leads there"},
		{"deploy", `import _ "pushtrain/train"`, "deploy imports pushtrain/train: no arrow leads there"},
		{"deploy", `import _ "github.com/rs/zerolog"`, "deploy imports github.com/rs/zerolog: it belongs to bot"},
		{"deploy", "import clock \"time\"\n\nvar _ = clock.Now()", "deploy uses clock.Now at "},
		{"deploy/host", `import _ "pushtrain/bot"`, "deploy/host imports pushtrain/bot: no arrow leads there"},
		{"bot", `import _ "go.etcd.io/bbolt"`, "bot imports go.etcd.io/bbolt: it belongs to bot/store"},
		{"bot", `import _ "github.com/lrstanley/girc"`, "bot imports github.com/lrstanley/girc: it belongs to bot/irc"},
		{"bot/store", `import _ "pushtrain/bot/irc"`, "bot/store imports pushtrain/bot/irc: no arrow leads there"},
		{"bot/irc", `import _ "pushtrain/bot/store"`, "bot/irc imports pushtrain/bot/store: no arrow leads there"},
		{"bot/ircd", `import _ "golang.org/x/sys/unix"`, "bot/ircd imports golang.org/x/sys/unix: it belongs to "},
		{"bot/new", `import _ "example.net/x"`, "bot/new imports example.net/x: no package may"},
		{"train", "import \"time\"\n\nvar _ = time.Second", ""},
	} {
		root := t.TempDir()
		dir := filepath.Join(root, c.pkg)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "a.go"), "package a\n\n"+c.text+"\n", 0o644)
		problems, _ := brokenArrows(t, root)
		got := strings.Join(problems, "; ")
		if !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") || len(problems) > 1 {
			t.Errorf("%s with %s: %q, want %q", c.pkg, c.text, got, c.want)
		}
	}
}
