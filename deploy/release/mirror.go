package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// mirror is the bare repository that releases are checked out from.
type mirror struct{ dir string }

var (
	fullHash  = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	shortHash = regexp.MustCompile(`^[0-9a-f]{7,64}$`)
)

// git runs git on the mirror. Errors call it by its verb alone: operands may
// hold a password.
func (m mirror) git(ctx context.Context, out Out, verb string, args ...string) error {
	return m.in(ctx, "", out, out, verb, args...)
}

// ask is git whose output is for us alone: the log is told of the command.
func (m mirror) ask(ctx context.Context, log, out Out, verb string, args ...string) error {
	return m.in(ctx, "", log, out, verb, args...)
}

// in is git in the folder dir; "" = this process's own.
func (m mirror) in(ctx context.Context, dir string, log, out Out, verb string, args ...string) error {
	return command{
		name: []string{"git", verb},
		argv: append([]string{"git", verb}, args...),
		dir:  dir,
		env:  []string{"GIT_DIR=" + m.dir, "GIT_TERMINAL_PROMPT=0", "LC_ALL=C"},
		out:  out,
		log:  log,
	}.run(ctx)
}

// open makes the mirror if there is none.
func (m mirror) open(ctx context.Context, out Out) error {
	if _, err := os.Stat(filepath.Join(m.dir, "ready")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := m.git(ctx, out, "init", "--quiet", "--bare", "--template="); err != nil {
		return err
	}
	// Nobody's hooks run here, and no git outlives the one that was started.
	for key, value := range map[string]string{"core.hooksPath": "/dev/null", "gc.autoDetach": "false"} {
		if err := m.git(ctx, out, "config", key, value); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(m.dir, "ready"), nil, 0o644)
}

// unlock removes the locks of a git that was killed: it would never fetch again.
func (m mirror) unlock() error {
	return filepath.WalkDir(m.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Ext(path) == ".lock" {
			err = os.Remove(path)
		}
		return err
	})
}

// fetch makes the mirror's branches and tags those of repo.
func (m mirror) fetch(ctx context.Context, repo string, out Out) error {
	dir, repo, err := origin(repo)
	if err != nil {
		return err
	}
	// Branches are kept as a remote's: a build may take the names below refs/heads for itself.
	return m.in(ctx, dir, out, out, "fetch", "--quiet", "--force", "--prune", "--no-tags", "--no-write-fetch-head",
		"--", repo, "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
}

// origin returns where git is to run, "" = in this process's own folder, and what it is to
// call the repository there. For a folder of this machine git has a shell run
// `git-upload-pack FOLDER`: run in that folder, there is nothing of ours in what the shell reads.
func origin(repo string) (dir, at string, err error) {
	if dir, err = folder(repo); dir != "" {
		return dir, ".", err
	}
	return "", repo, err
}

// elsewhere is an address that git asks another machine for, or by a protocol.
var elsewhere = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*://|[^/]*:)`)

// folder returns the folder of this machine that git takes repo for; "" = it is
// none, but an address or a file. It is an error if repo can be nothing else.
func folder(repo string) (string, error) {
	path := repo
	if rest, ok := strings.CutPrefix(repo, "file:///"); ok {
		plain, err := url.PathUnescape(rest)
		if err != nil {
			return "", fmt.Errorf("read the address of the repository: %w", err)
		}
		path = "/" + plain
	} else if elsewhere.MatchString(repo) {
		return "", nil
	}
	for _, name := range []string{path, path + ".git"} {
		switch info, err := os.Stat(name); {
		case err == nil && info.IsDir():
			return name, nil
		case err == nil:
			return "", nil // a bundle
		}
	}
	return "", fmt.Errorf("there is no repository %s", clean(path))
}

// find returns the commit that ref names in the mirror, "" = none. A full hash is
// always a hash; any other word is a branch before a tag before a short hash.
func (m mirror) find(ctx context.Context, ref string, log Out) (string, error) {
	var names []string
	switch {
	case fullHash.MatchString(ref):
		names = []string{ref}
	case shortHash.MatchString(ref):
		names = []string{"refs/remotes/origin/" + ref, "refs/tags/" + ref, ref}
	default:
		names = []string{"refs/remotes/origin/" + ref, "refs/tags/" + ref}
	}
	for _, name := range names {
		commit := ""
		err := m.ask(ctx, log, func(line string, stderr bool) {
			if !stderr && fullHash.MatchString(line) {
				commit = line
			}
		}, "rev-parse", "--quiet", "--verify", name+"^{commit}")
		var exit *ExecError
		switch {
		case err == nil && commit != "":
			return commit, nil
		case errors.As(err, &exit) && exit.Exit > 0:
			// not there: exit status 1, or 128 for a hash that git has never heard of
		case err == nil:
			return "", fmt.Errorf("git rev-parse %s gave no commit", name)
		default:
			return "", err
		}
	}
	return "", nil
}

// checkout writes the files of commit to dir, which must not exist.
func (m mirror) checkout(ctx context.Context, commit, dir string, out Out) error {
	if err := m.git(ctx, out, "worktree", "prune"); err != nil {
		return err
	}
	return m.git(ctx, out, "worktree", "add", "--quiet", "--force", "--detach", "--", dir, commit)
}
