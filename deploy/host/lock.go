package host

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// holder is the text of the lock file: whom the lock is held for.
type holder struct {
	Stack string
	By    string
	Epoch uint64
	Since time.Time
	Conn  string `json:",omitempty"` // the connection of the session, where only its own rsync may come in
}

// takeLock takes the lock, or keeps it, for the request's epoch. When it
// refuses, nothing is held that was not held before.
func (s *session) takeLock(ctx context.Context, req Request) (err error) {
	if req.Epoch == 0 {
		return refuse(Bad, "lock for no epoch")
	}
	if !isOwner(req.Owner) {
		return refuse(Bad, "owner %q is not up to %d hex digits", req.Owner, ownerMax)
	}
	if err := s.ours(req.Epoch, req.Owner); err != nil {
		return err
	}
	if s.lock == nil {
		if err := s.flock(); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				s.unlock()
			}
		}()
	}
	// Only now does what is read here stay so.
	standing, err := s.standing()
	if err != nil {
		return err
	}
	if err := s.ours(req.Epoch, req.Owner); err != nil {
		return err
	}
	err = s.beat(ctx, func(ctx context.Context) error {
		if err := s.endWriters(standing.Live); err != nil {
			return err
		}
		if req.Epoch > standing.Epoch {
			if err := s.accept(req.Epoch, req.Owner); err != nil {
				return err
			}
		}
		if !req.Prove {
			return nil
		}
		return s.reprove(ctx, standing)
	})
	if err != nil {
		return err
	}
	s.epoch = req.Epoch
	s.sign(holder{Stack: req.Stack, By: req.By, Epoch: req.Epoch, Since: time.Now().UTC(), Conn: s.conn})
	return nil
}

// flock takes the lock on the lock file. It ends with the open file, however this process ends.
func (s *session) flock() error {
	if err := s.root.Mkdir(state, 0o755); err == nil {
		if err := s.syncDir("."); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := s.root.OpenFile(state+"/lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = s.lockedBy()
	}
	if err != nil {
		f.Close()
		return err
	}
	s.lock = f
	return nil
}

// lockedBy is the refusal that names who holds the lock.
func (s *session) lockedBy() error {
	var h holder
	if !s.readJSON("lock", &h) {
		return refuse(Locked, "%s is locked by another session", s.path)
	}
	return refuse(Locked, "%s is locked for rollout %d of %s by %s since %s",
		s.path, h.Epoch, h.Stack, h.By, h.Since.Format("2006-01-02 15:04:05 MST"))
}

// sign writes into the lock file whom it is held for. It is a message and no
// more: a disk too full for it stops nobody.
func (s *session) sign(h holder) {
	if b, err := json.Marshal(h); err == nil && s.lock.Truncate(0) == nil {
		_, _ = s.lock.WriteAt(b, 0)
	}
}

// unlock gives the lock back if it is held.
func (s *session) unlock() {
	if s.lock == nil {
		return
	}
	_ = s.lock.Truncate(0) // an old name would mislead, no more
	s.lock.Close()
	s.lock, s.epoch, s.filling = nil, 0, nil
}
