package release

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Source is where a stack's releases come from.
type Source struct {
	Repo    string   // any URL or path that git fetches from; a relative path is taken from the working folder
	Branch  string   // what is built when no ref is named
	Build   []string // argv, run in the checkout; empty = nothing to build
	NoTwins bool     // paths that differ in nothing but case are refused
	Tree    string   // the folder of the checkout that is the release; "" or "." = all of it, but for .git at its top
}

// check reports why s can't be built from, and returns it with Tree made clean.
func (s Source) check() (Source, error) {
	if s.Repo == "" || strings.HasPrefix(s.Repo, "-") {
		return s, fmt.Errorf("source.repo %q is no URL or path", s.Repo)
	}
	if err := CheckRef(s.Branch); err != nil {
		return s, fmt.Errorf("source.branch: %w", err)
	}
	if s.Tree == "" {
		s.Tree = "."
	}
	if s.Tree = filepath.Clean(s.Tree); !filepath.IsLocal(s.Tree) {
		return s, fmt.Errorf("source.tree %q is not a folder below the checkout", s.Tree)
	}
	return s, nil
}

var refGrammar = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/@-]*$`)

// CheckRef reports why ref can't name a branch, a tag or a commit here: a
// narrower grammar than git's, so that no ref is ever read as anything else.
func CheckRef(ref string) error {
	switch {
	case len(ref) > 200:
		return errors.New("ref is longer than 200 bytes")
	case !refGrammar.MatchString(ref), strings.Contains(ref, ".."):
		return fmt.Errorf("ref %q: use letters, digits and . _ / @ -, the first a letter or digit, no \"..\"", ref)
	}
	return nil
}
