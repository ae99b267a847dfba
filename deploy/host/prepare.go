package host

import (
	"context"
	"io/fs"
	"math"
	"os/exec"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
)

// prepare makes the side ready to be filled: the last thing that it does, and
// the first that changes anything, is to mark it dirty.
func (s *session) prepare(ctx context.Context, req Request, resp *Response) error {
	if req.Need.Bytes < 0 || req.Need.Files < 0 {
		return refuse(Bad, "a need of less than nothing")
	}
	st, err := s.idle(req.Side)
	if err != nil {
		return err
	}
	s.filling = nil
	if st.Sides[req.Side].Digest == req.Seal.Digest {
		resp.Ready = true
		return nil
	}
	if st.Drain > 0 {
		return refuse(Draining, "%s/%s may have readers for another %v", s.path, req.Side, st.Drain)
	}
	if _, err := exec.LookPath("rsync"); err != nil {
		return refuse(NoRsync, "rsync is missing on %s: apt-get install rsync", hostname())
	}
	if err := CheckRsync(s.rsyncVersion(ctx)); err != nil {
		return refuse(NoRsync, "%s: %v", hostname(), err)
	}
	if err := s.room(ctx, req.Side, req.Need); err != nil {
		return err
	}
	if err := s.endWriters(st.Live); err != nil {
		return err
	}
	if s.filling, err = s.begin(req.Side, st.Sides[req.Side], req.Seal); err != nil {
		return err
	}
	resp.Fill = s.filling != nil
	s.vigil.end(req.Side) // all that is written now would be told
	if err := s.remove(sealName(req.Side)); err != nil {
		return err
	}
	if there, err := s.exists(req.Side); err != nil || there {
		return err
	}
	if err := s.root.Mkdir(string(req.Side), open755); err != nil {
		return err
	}
	return s.syncDir(".")
}

// idle returns how the root stands, or refuses when side is live.
func (s *session) idle(side deploy.Side) (deploy.Standing, error) {
	st, err := s.standing()
	if err == nil && st.Live == side {
		err = refuse(LiveSide, "%s/%s is the live side", s.path, side)
	}
	return st, err
}

// room refuses when need is more than what is free where the side is, or will be,
// and what the side holds already.
func (s *session) room(ctx context.Context, side deploy.Side, need Need) error {
	free, err := s.free(side)
	if err != nil || need.Bytes <= free.Bytes && need.Files <= free.Files {
		return err
	}
	held, err := s.held(ctx, side)
	if err != nil || need.Bytes-held.Bytes <= free.Bytes && need.Files-held.Files <= free.Files {
		return err
	}
	return refuse(Full, "%s on %s is too full: the release needs %d MiB in %d files, the side holds %d in %d, %d in %d are free",
		s.path, hostname(), mebibytes(need.Bytes), need.Files, mebibytes(held.Bytes), held.Files, mebibytes(free.Bytes), free.Files)
}

// mebibytes rounds up, so that what is not enough never looks as if it were nothing.
func mebibytes(n int64) int64 { return n>>20 + min(1, n&(1<<20-1)) }

// free returns what is free on the side's file system for us.
func (s *session) free(side deploy.Side) (Need, error) {
	name := string(side)
	if there, err := s.exists(side); err != nil {
		return Need{}, err
	} else if !there {
		name = "."
	}
	d, err := s.root.Open(name)
	if err != nil {
		return Need{}, err
	}
	defer d.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(d.Fd()), &st); err != nil {
		return Need{}, err
	}
	return freeOn(st), nil
}

// freeOn is what is free on a file system for us.
func freeOn(st unix.Statfs_t) Need {
	free := Need{Bytes: int64(st.Bavail) * st.Frsize, Files: int64(st.Ffree)}
	if st.Files == 0 {
		free.Files = math.MaxInt64 // this file system makes inodes as it needs them
	}
	return free
}

// held returns what the side holds.
func (s *session) held(ctx context.Context, side deploy.Side) (Need, error) {
	var n Need
	if there, err := s.exists(side); err != nil || !there {
		return n, err
	}
	dir, err := s.root.OpenRoot(string(side))
	if err != nil {
		return n, err
	}
	defer dir.Close()
	err = fs.WalkDir(dir.FS(), ".", func(_ string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		n.Files++
		if d.Type().IsRegular() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			n.Bytes += info.Size()
		}
		return nil
	})
	return n, err
}
