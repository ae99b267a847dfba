package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// demoSite is the repository of a small site: a build that stamps every page with
// the commit, and a test that looks whether it did.
type demoSite struct {
	dir   string
	edits int
}

var demoFiles = map[string]string{
	"build": `#!/bin/sh
# Makes dist/ out of pages/, each page stamped with the commit.
set -e
mkdir -p dist/css
cp css/* dist/css/
for page in pages/*.html; do
	sed "s/@COMMIT@/$(git rev-parse --short=12 HEAD)/g" "$page" >"dist/${page#pages/}"
done
echo "built $(ls dist | wc -l) files"
`,
	"test": `#!/bin/sh
# Every page must name the commit that it was built from.
set -e
for page in dist/*.html; do
	grep -q "$(git rev-parse --short=12 HEAD)" "$page" || { echo "$page names no commit" >&2; exit 1; }
	echo "ok $page"
done
`,
	"pages/index.html": "<!doctype html><title>Shop</title><link rel=stylesheet href=css/shop.css>\n<h1>Hand-made things</h1><p>Release @COMMIT@</p>\n",
	"pages/about.html": "<!doctype html><title>About</title><p>We ship many times a day. Release @COMMIT@</p>\n",
	"css/shop.css":     "body { font: 1.1em/1.5 sans-serif; margin: 4em auto; max-width: 30em }\n",
}

func newDemoSite(dir string) (*demoSite, error) {
	s := &demoSite{dir: dir}
	for name, text := range demoFiles {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, fmt.Errorf("make the demo's site: %w", err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			return nil, fmt.Errorf("make the demo's site: %w", err)
		}
	}
	if err := s.git("init", "-q", "-b", "main"); err != nil {
		return nil, err
	}
	return s, s.commit("demo", "a shop")
}

// edit changes a page, as the rider by would before joining the train.
func (s *demoSite) edit(by, what string) error {
	s.edits++
	path := filepath.Join(s.dir, "pages", "index.html")
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("edit the demo's site: %w", err)
	}
	text = append(text, fmt.Sprintf("<p>%d. %s</p>\n", s.edits, what)...)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("edit the demo's site: %w", err)
	}
	return s.commit(by, what)
}

func (s *demoSite) commit(by, subject string) error {
	if err := s.git("add", "-A"); err != nil {
		return err
	}
	return s.git("-c", "user.name="+by, "-c", "user.email="+by+"@localhost", "commit", "-q", "-m", subject)
}

func (s *demoSite) git(args ...string) error {
	c := exec.Command("git", args...)
	c.Dir = s.dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s in the demo's site: %w: %s", args[0], err, out)
	}
	return nil
}
