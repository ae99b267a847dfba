package host

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

// diffs is how many paths an answer names.
const diffs = 10

func sealName(side deploy.Side) string   { return string(side) + ".seal" }
func stampsName(side deploy.Side) string { return string(side) + ".stamps" }

// seal proves that the side holds the release, brings it to disk, and seals it.
// A side that was not proved is dirty, whatever it was before.
func (s *session) seal(ctx context.Context, req Request, resp *Response) error {
	if req.Tree == nil {
		return refuse(Bad, "seal without a manifest")
	}
	if err := req.Tree.Check(); err != nil {
		return refuse(Bad, "the manifest is not that of a release: %v", err)
	}
	if digest := req.Tree.Digest(); digest != req.Seal.Digest {
		return refuse(Bad, "the manifest's digest is %s, not %s", digest, req.Seal.Digest)
	}
	if _, err := s.idle(req.Side); err != nil {
		return err
	}
	if err := s.noWriter(req.Side); err != nil {
		return err
	}
	stamps, err := s.prove(ctx, req, resp)
	if err == nil {
		err = s.writeJSON(stampsName(req.Side), stamps)
	}
	if err == nil {
		err = s.writeJSON(sealName(req.Side), deploy.Seal{Release: req.Seal.Release, Digest: req.Seal.Digest, Epoch: req.Epoch})
	}
	if err != nil && ctx.Err() == nil { // asked to stop, it knows nothing new
		err = errors.Join(err, s.remove(sealName(req.Side)))
	}
	return err
}

// prove hashes the side, compares it with the manifest, and has the kernel write all of it.
func (s *session) prove(ctx context.Context, req Request, resp *Response) (release.Known, error) {
	there, err := s.exists(req.Side)
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, refuse(Differs, "%s/%s does not exist: it was never filled", s.path, req.Side)
	}
	got, stamps, err := s.look(ctx, req.Side, s.known(req.Side))
	var odd *release.RefusedError
	switch {
	case errors.As(err, &odd):
		resp.Diff = []string{odd.Error()}
	case err != nil:
		return nil, fmt.Errorf("scan %s/%s: %w", s.path, req.Side, err)
	default:
		resp.Diff = deploy.Diff(*req.Tree, got, diffs)
	}
	if len(resp.Diff) > 0 {
		return nil, refuse(Differs, "%s/%s is not release %s: %s", s.path, req.Side, req.Seal.Release, resp.Diff[0])
	}
	return stamps, s.syncFS(req.Side)
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
