package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"pushtrain/deploy"
)

// Run runs argv, a test or a check, in the checkout of an archived release, with
// env on top of this process's environment. A checkout that was pruned is made
// and built again, and then holds the very tree that is archived, whether or
// not the build can make it twice. A command that fails is a [*ExecError]. out is told of
// each command, with its arguments, when it starts, and how it ended.
func (s *Store) Run(ctx context.Context, id string, argv, env []string, out Out) error {
	if len(argv) == 0 {
		return errors.New("there is no command to run")
	}
	r, err := s.Load(id)
	if err != nil {
		return err
	}
	if err := s.ensure(ctx, r, out); err != nil {
		return fmt.Errorf("check out release %s again: %w", id, err)
	}
	return command{argv: argv, dir: s.work(id), env: append(about(id, r.Commit), env...), out: out, log: out}.run(ctx)
}

// Exec runs argv in a folder of this machine that is of no release, as Run does,
// and says nothing of its start and its end.
func Exec(ctx context.Context, argv []string, dir string, env []string, out Out) error {
	return command{argv: argv, dir: dir, env: env, out: out}.run(ctx)
}

// ensure makes the checkout of r if it is not there whole.
func (s *Store) ensure(ctx context.Context, r deploy.Release, out Out) error {
	over, err := s.await(ctx)
	if err != nil {
		return err
	}
	defer over()
	if _, err := os.Stat(s.work(r.ID) + built); err == nil {
		return nil
	}
	if err := s.checkout(ctx, r.ID, r.Commit, out); err != nil {
		return err
	}
	if err := s.restore(ctx, r); err != nil {
		return errors.Join(err, s.clear(r.ID))
	}
	return nil
}

// restore makes Source.Tree of a fresh checkout what the archive holds.
func (s *Store) restore(ctx context.Context, r deploy.Release) error {
	want, err := s.Manifest(r.ID)
	if err != nil {
		return err
	}
	tree, err := s.openTree(r.ID)
	if err != nil {
		return err
	}
	defer tree.Close()
	if got, _, err := scan(ctx, tree, nil, s.skip()); err == nil && got.Digest() == r.Digest {
		return nil
	}
	list, err := names(tree)
	if err != nil {
		return err
	}
	for _, name := range list {
		if name != s.skip() {
			if err := removeTree(filepath.Join(s.work(r.ID), s.src.Tree, name)); err != nil {
				return err
			}
		}
	}
	archive, err := os.OpenRoot(s.Tree(r.ID))
	if err != nil {
		return err
	}
	defer archive.Close()
	return fill(ctx, tree, want, func(e deploy.Entry) error {
		info, err := archive.Lstat(e.Path)
		if err != nil {
			return err
		}
		return copyFile(ctx, archive, tree, e, info.ModTime())
	})
}
