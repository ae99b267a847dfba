package release

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"pushtrain/deploy"
)

// built is the suffix of the mark beside a checkout that was built to the end.
const built = ".built"

// Build returns the release of the commit that ref names: a branch, a tag or a
// hash; "" = Source.Branch. A commit that is in the archive, and that its
// manifest still proves, is neither checked out nor built again; one that is
// damaged there is built anew. out takes the output of git and of the build, and is
// told of each command, with its arguments, when it starts, and how it ended.
//
// A command that fails is a [*ExecError], a path that no release may hold a [*RefusedError].
func (s *Store) Build(ctx context.Context, ref string, out Out) (deploy.Release, error) {
	ref = cmp.Or(ref, s.src.Branch)
	if err := CheckRef(ref); err != nil {
		return deploy.Release{}, err
	}
	over, err := s.await(ctx)
	if err != nil {
		return deploy.Release{}, err
	}
	defer over()
	commit, err := s.resolve(ctx, ref, out)
	if err != nil {
		return deploy.Release{}, err
	}
	id := commit[:12]
	if r, err := s.Load(id); err == nil {
		if r.Commit != commit {
			return deploy.Release{}, fmt.Errorf("commits %s and %s both begin with %s: make one of them anew", r.Commit, commit, id)
		}
		if ok, err := s.proves(ctx, id); ok || err != nil {
			return r, err
		}
		if out != nil {
			out("release "+id+" is damaged in the archive: building it again", true)
		}
	}
	if err := s.checkout(ctx, id, commit, out); err != nil {
		return deploy.Release{}, err
	}
	tree, err := s.openTree(id)
	if err != nil {
		return deploy.Release{}, err
	}
	defer tree.Close()
	m, _, err := scan(ctx, tree, nil, s.skip())
	if err != nil {
		return deploy.Release{}, fmt.Errorf("scan %s: %w", s.src.Tree, err)
	}
	if err := m.Check(); err != nil {
		return deploy.Release{}, fmt.Errorf("scan %s: %w", s.src.Tree, err)
	}
	if s.src.NoTwins {
		if err := m.CaseTwins(); err != nil {
			return deploy.Release{}, fmt.Errorf("scan %s: %w", s.src.Tree, err)
		}
	}
	if m.Files() == 0 {
		return deploy.Release{}, fmt.Errorf("the build left no file in %s: check source.build and source.tree", s.src.Tree)
	}
	r := deploy.Release{ID: id, Commit: commit, Digest: m.Digest(), Files: m.Files(), Bytes: m.Bytes()}
	if err := s.archive(ctx, r, m, tree); err != nil {
		return deploy.Release{}, fmt.Errorf("archive release %s: %w", id, err)
	}
	return r, nil
}

// resolve returns the commit that ref names in Source.Repo now. A full hash
// that the mirror has is not asked for again.
func (s *Store) resolve(ctx context.Context, ref string, out Out) (string, error) {
	if err := s.mirror.open(ctx, out); err != nil {
		return "", err
	}
	if fullHash.MatchString(ref) {
		if commit, err := s.mirror.find(ctx, ref, out); commit != "" || err != nil {
			return commit, err
		}
	}
	if err := s.mirror.fetch(ctx, s.src.Repo, out); err != nil {
		return "", err
	}
	commit, err := s.mirror.find(ctx, ref, out)
	if err == nil && commit == "" {
		err = fmt.Errorf("%s is no branch, tag or commit of the repository", ref)
	}
	return commit, err
}

// checkout makes a new checkout of commit in work/id, runs the build there, and marks it.
func (s *Store) checkout(ctx context.Context, id, commit string, out Out) error {
	if err := s.clear(id); err != nil {
		return err
	}
	if err := s.mirror.checkout(ctx, commit, s.work(id), out); err != nil {
		return err
	}
	if len(s.src.Build) > 0 {
		c := command{argv: s.src.Build, dir: s.work(id), env: about(id, commit), out: out, log: out}
		if err := c.run(ctx); err != nil {
			return err
		}
	}
	return os.WriteFile(s.work(id)+built, nil, 0o644)
}

// clear removes the checkout of a release.
func (s *Store) clear(id string) error {
	return errors.Join(os.RemoveAll(s.work(id)+built), removeTree(s.work(id)))
}

// about is what a command learns of the release that it works on.
func about(id, commit string) []string {
	return []string{"PUSHTRAIN_RELEASE=" + id, "PUSHTRAIN_COMMIT=" + commit}
}

// skip is what at the top of Source.Tree is not of the release.
func (s *Store) skip() string {
	if s.src.Tree == "." {
		return ".git"
	}
	return ""
}

// openTree opens Source.Tree of a checkout. It can't lead out of the checkout.
func (s *Store) openTree(id string) (*os.Root, error) {
	work, err := os.OpenRoot(s.work(id))
	if err != nil {
		return nil, err
	}
	defer work.Close()
	tree, err := work.OpenRoot(s.src.Tree)
	if err != nil {
		return nil, fmt.Errorf("the build left no folder %s: check source.build and source.tree: %w", filepath.ToSlash(s.src.Tree), err)
	}
	return tree, nil
}
