package host

import (
	"context"
	"errors"
	"io/fs"
	"maps"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

// look returns what the side holds now, and the stamps of its files. A file that
// was not written to since its stamp, which is among known, is not read.
func (s *session) look(ctx context.Context, side deploy.Side, known release.Known) (deploy.Manifest, release.Known, error) {
	dir, err := s.root.OpenRoot(string(side))
	if err != nil {
		return deploy.Manifest{}, nil, err
	}
	defer dir.Close()
	return release.ScanKnown(ctx, dir, known)
}

// reprove takes the seal from every side that is not what it was sealed as: what
// was changed since, by whatever hand, is neither served on nor gone back to unseen.
// An error says that a side can't be read; its seal stays.
func (s *session) reprove(ctx context.Context, st deploy.Standing) error {
	for _, side := range []deploy.Side{deploy.Yin, deploy.Yang} {
		seal, sealed := st.Sides[side]
		if !sealed {
			continue
		}
		was, _ := s.recall(side) // without stamps every file is read
		m, stamps, err := s.look(ctx, side, was.known)
		switch {
		case err == nil && m.Digest() == seal.Digest:
			if !maps.Equal(stamps, was.known) {
				_ = s.remember(side, record{m, stamps}) // or each of these files is read once more
			}
			continue
		case err != nil && !unlike(err):
			return err
		}
		if err := s.remove(sealName(side)); err != nil {
			return err
		}
	}
	return nil
}

// unlike reports whether a look failed by what stands in the side: a thing that no
// release holds, or one that changed or went away meanwhile.
func unlike(err error) bool {
	var odd *release.RefusedError
	var changed *release.ChangedError
	return errors.As(err, &odd) || errors.As(err, &changed) || errors.Is(err, fs.ErrNotExist)
}
