package host

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"time"

	"pushtrain/deploy"
)

// flipAhead is how long before its moment a flip may be asked for at most.
const flipAhead = time.Second

// calm is how long nothing more is done behind a flip at a moment: other hosts, which
// may be containers of this machine, have theirs now.
const calm = 10 * time.Millisecond

// flip moves the link from From to Side: one rename(2) is all that live traffic sees.
// All that can be done before is done when its moment comes.
func (s *session) flip(ctx context.Context, req Request, resp *Response) error {
	if req.In < 0 || req.In > flipAhead {
		return refuse(Bad, "flip in %v", req.In)
	}
	if req.From == req.Side || req.From != "" && req.From != req.Side.Other() {
		return refuse(Bad, "flip from %q to %q", string(req.From), string(req.Side))
	}
	st, err := s.standing()
	if err != nil {
		return err
	}
	if st.Live != req.Side && st.Live != req.From {
		return s.moved(st.Live, req.From)
	}
	have := st.Sides[req.Side]
	if have.Release != req.Seal.Release || have.Digest != req.Seal.Digest {
		return refuse(Unsealed, "%s/%s is not sealed with release %s", s.path, req.Side, req.Seal.Release)
	}
	if have.Digest == "" { // only a side that is there is sealed
		if there, err := s.exists(req.Side); err != nil || !there {
			return cmp.Or(err, refuse(Unsealed, "%s/%s does not exist", s.path, req.Side))
		}
	}
	if st.Live == req.Side {
		resp.Ready = true
		return s.syncDir(".") // whoever moved it may have died before
	}
	if err := s.root.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.root.Symlink(string(req.Side), next); err != nil {
		return err
	}
	if req.In > 0 {
		moment := s.said.Add(req.In)
		if at := s.began.Add(req.Clock); req.Clock > 0 && at.Before(moment) {
			moment = at // the request was on its way for a while
		}
		select {
		case <-time.After(time.Until(moment)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if live, err := s.live(); err != nil {
			return err
		} else if live != req.From {
			return s.moved(live, req.From)
		}
	}
	if err := s.root.Rename(next, current); err != nil {
		return err
	}
	if req.In > 0 {
		time.Sleep(calm)
	}
	s.leave(req.From)
	s.keepWitness(req.Witness)
	if err := s.syncDir("."); err != nil {
		return err
	}
	live, err := s.live()
	if err == nil && live != req.Side {
		err = refuse(Moved, "%s/current was moved by somebody else at this very moment, to %s", s.path, orNothing(live))
	}
	return err
}

// moved is the refusal of a flip from a side that is not live.
func (s *session) moved(live, from deploy.Side) error {
	return refuse(Moved, "%s/current is on %s, not on %s", s.path, orNothing(live), orNothing(from))
}

// orNothing names a side for people.
func orNothing(s deploy.Side) string {
	if s == "" {
		return "nothing"
	}
	return string(s)
}
