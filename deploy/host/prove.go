package host

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"

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

// known returns the stamps that are kept of the side; without them every file is read.
func (s *session) known(side deploy.Side) release.Known {
	var known release.Known
	_ = s.readJSON(stampsName(side), &known)
	return known
}

// keepStamps keeps stamps for the next look. They are not synced, and it may fail:
// a stamp that a crash takes with it only has its file read once more.
func (s *session) keepStamps(side deploy.Side, stamps release.Known) {
	if b, err := json.Marshal(stamps); err == nil {
		_ = s.swap(stampsName(side), b, func(*os.File) error { return nil })
	}
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
		known := s.known(side)
		m, stamps, err := s.look(ctx, side, known)
		switch {
		case err == nil && m.Digest() == seal.Digest:
			if !maps.Equal(stamps, known) {
				s.keepStamps(side, stamps)
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

// audit says how a side is not what it should be, whatever stamps and seals say.
// It changes nothing.
func (s *session) audit(ctx context.Context, req Request, resp *Response) error {
	switch {
	case req.Tree == nil:
		return refuse(Bad, "audit without a manifest")
	case req.Side != deploy.Yin && req.Side != deploy.Yang:
		return refuse(Bad, "side %q is neither yin nor yang", string(req.Side))
	case s.root == nil:
		return refuse(Differs, "%s does not exist", s.path)
	}
	dir, err := s.root.OpenRoot(string(req.Side))
	if err != nil {
		return err
	}
	defer dir.Close()
	m, err := release.ScanIdle(ctx, dir)
	switch {
	case err == nil:
		resp.Diff = deploy.Diff(*req.Tree, m, diffs)
	case unlike(err):
		resp.Diff = []string{oneLine(err.Error())}
	default:
		return err
	}
	return nil
}
