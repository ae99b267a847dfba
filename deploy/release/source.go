package release

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Source is where a stack's releases come from.
type Source struct {
	Repo    string   // any URL or path that git fetches from; a relative path is taken from the working folder
	Branch  string   // what is built when no ref is named
	Build   []string // argv, run in the checkout; empty = nothing to build
	Work    string   // the folder that commits are checked out to and built in: nothing in it is needed again; "" = beside the archive
	NoTwins bool     // paths that differ in nothing but case are refused
	Tree    string   // the folder of the checkout that is the release; "" or "." = all of it, but for .git at its top
}

// check reports why s can't be built from, and returns it with Tree made clean.
func (s Source) check() (Source, error) {
	if err := CheckRepo(s.Repo); err != nil {
		return s, fmt.Errorf("source.repo: %w", err)
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

// remoteHelper is an address that git would run a program of the given name for.
var remoteHelper = regexp.MustCompile(`^[A-Za-z0-9+.-]*::`)

// optionHost is an address with a host that could be taken for an option.
var optionHost = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*://)?([^/@]*@)?-`)

// CheckRepo reports why repo can't be the address or the path of a repository here.
func CheckRepo(repo string) error {
	odd := func(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) }
	switch {
	case len(repo) > 4096:
		return errors.New("repository address is longer than 4096 bytes")
	case repo == "" || optionHost.MatchString(repo) || strings.ContainsFunc(repo, odd):
		return fmt.Errorf("%q is no repository", repo)
	case remoteHelper.MatchString(repo):
		return fmt.Errorf("%q would run a remote helper: give a path or an address", repo)
	}
	return nil
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
