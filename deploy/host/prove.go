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

// reprove takes the seal from the live side when it is not what it was sealed as:
// what was changed there, by whatever hand, is not served on unseen. The other side
// has Seal look at it before it is flipped to. An error says that the side can't be
// read; its seal stays.
func (s *session) reprove(ctx context.Context, st deploy.Standing) error {
	side := st.Live
	seal, sealed := st.Sides[side]
	if !sealed {
		return nil
	}
	was, _ := s.recall(side) // without stamps every file is read
	if was.digest == seal.Digest && s.intact(ctx, side, was) {
		return nil
	}
	known := was.known()
	m, stamps, err := s.look(ctx, side, known)
	switch {
	case err == nil && m.Digest() == seal.Digest:
		if !maps.Equal(stamps, known) {
			_ = s.remember(side, newRecord(m, seal.Digest, stamps)) // or each of these files is read once more
		}
		return nil
	case err != nil && !unlike(err):
		return err
	}
	return s.remove(sealName(side))
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
func (s *session) audit(ctx context.Context, req Request, body *blob, resp *Response) error {
	if err := checkSide(req.Side); err != nil {
		return err
	}
	want, _, err := body.manifest(req.Seal)
	if err != nil {
		return err
	}
	if s.root == nil {
		return refuse(Differs, "%s does not exist", s.path)
	}
	dir, err := s.root.OpenRoot(string(req.Side))
	if err != nil {
		return err
	}
	defer dir.Close()
	var m deploy.Manifest
	err = s.beat(ctx, func(ctx context.Context) (err error) {
		m, err = release.ScanIdle(ctx, dir, s.apart)
		return err
	})
	switch {
	case err == nil:
		resp.Diff = deploy.Diff(want, m, diffs)
	case unlike(err):
		resp.Diff = []string{oneLine(err.Error())}
	default:
		return err
	}
	return nil
}
