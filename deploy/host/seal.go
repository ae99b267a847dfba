package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

// diffs is how many paths an answer names.
const diffs = 10

func sealName(side deploy.Side) string   { return string(side) + ".seal" }
func stampsName(side deploy.Side) string { return string(side) + ".stamps" }

// seal proves that the side holds the release, brings it to disk, and seals it.
// A side that was not proved is dirty, whatever it was before; one that is sealed
// with the release already keeps that seal.
func (s *session) seal(ctx context.Context, req Request, body *blob, resp *Response) error {
	want, err := s.expected(req, body)
	if err != nil {
		return err
	}
	st, err := s.idle(req.Side)
	if err != nil {
		return err
	}
	if err := s.noWriter(req.Side); err != nil {
		return err
	}
	s.filling = nil // one that is not proved is not known
	if err := s.enterable(req.Side); err != nil {
		return err
	}
	return s.beat(ctx, func(ctx context.Context) error { return s.proved(ctx, req, st, want, resp) })
}

// proved seals the side when it is what it is wanted to be.
func (s *session) proved(ctx context.Context, req Request, st deploy.Standing, want record, resp *Response) (err error) {
	same := s.intact(ctx, req.Side, want)
	have := st.Sides[req.Side]
	sealed := have.Release == req.Seal.Release && have.Digest == req.Seal.Digest
	if same && sealed {
		return nil // it is on disk since then
	}
	if !same {
		want, err = s.prove(ctx, req, want, resp)
	}
	if err == nil {
		err = s.remember(req.Side, want)
	}
	if err == nil {
		err = s.syncFS(req.Side)
	}
	if err == nil && !sealed {
		err = s.writeJSON(sealName(req.Side), deploy.Seal{Release: req.Seal.Release, Digest: req.Seal.Digest, Epoch: req.Epoch})
	}
	if err != nil && ctx.Err() == nil { // asked to stop, it knows nothing new
		err = errors.Join(err, s.remove(sealName(req.Side)))
	}
	return err
}

// enterable lets everybody into the side, whose own mode is in no manifest: the umask here
// may have made it for nobody else.
func (s *session) enterable(side deploy.Side) error {
	info, err := s.root.Lstat(string(side))
	switch {
	case errors.Is(err, fs.ErrNotExist): // prove tells
		return nil
	case err != nil || info.Mode().Perm() == open755:
		return err
	}
	return s.root.Chmod(string(side), open755)
}

// expected returns what the side must equal, and the stamps of what it was seen to hold.
func (s *session) expected(req Request, body *blob) (record, error) {
	if f := s.filling; req.Blob == 0 && f != nil && f.whole && f.side == req.Side && f.seal.Digest == req.Seal.Digest {
		return record{f.tree, f.seal.Digest, f.stamps}, nil
	}
	was, _ := s.recall(req.Side) // without stamps every file is read
	if req.Blob == 0 && was.digest == req.Seal.Digest {
		return was, nil
	}
	if req.Blob == 0 {
		return record{}, refuse(Bad, "seal without a manifest")
	}
	m, _, err := body.manifest(req.Seal)
	if err != nil {
		return record{}, err
	}
	return newRecord(m, req.Seal.Digest, was.known()), nil
}

// prove looks at all of the side, compares it with what it must equal, and returns
// the record of it. What was not known already is hashed.
func (s *session) prove(ctx context.Context, req Request, want record, resp *Response) (record, error) {
	there, err := s.exists(req.Side)
	if err != nil {
		return record{}, err
	}
	if !there {
		return record{}, refuse(Differs, "%s/%s does not exist: it was never filled", s.path, req.Side)
	}
	got, stamps, err := s.look(ctx, req.Side, want.known())
	var odd *release.RefusedError
	switch {
	case errors.As(err, &odd):
		resp.Diff = []string{odd.Error()}
	case err != nil:
		return record{}, fmt.Errorf("scan %s/%s: %w", s.path, req.Side, err)
	default:
		resp.Diff = deploy.Diff(want.tree, got, diffs)
	}
	if len(resp.Diff) > 0 {
		return record{}, refuse(Differs, "%s/%s is not release %s: %s", s.path, req.Side, req.Seal.Release, resp.Diff[0])
	}
	return newRecord(got, want.digest, stamps), nil
}

// syncFS has everything on the side's file system written to disk: after rsync, one
// call instead of one for each file.
func (s *session) syncFS(side deploy.Side) error {
	d, err := s.root.Open(string(side))
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}
