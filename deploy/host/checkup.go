package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/deploy/webserver"
)

// Health is what a host finds out about itself, without the lock.
type Health struct {
	Clock  time.Time       // the wall clock
	Free   Need            // room where ROOT is, or will be
	Holder string          // who holds the lock, for a person; "" = nobody
	Flip   time.Duration   // what a flip took in a folder of its own, synced; 0 = there is no ROOT yet
	Fault  string          // why no release can be filled in and flipped here; "" = it can
	Shut   []string        `json:",omitempty"` // why each of Hooks that would not be run is not
	PHP    []webserver.PHP `json:",omitempty"` // that are installed here
}

// checkup tries what a rollout will do, beside what is live. It leaves nothing behind.
func (s *session) checkup(req Request, resp *Response) error {
	h := &Health{Clock: time.Now()}
	resp.Health = h
	for _, argv := range req.Hooks {
		if err := s.forced.mayRun(argv); err != nil {
			h.Shut = append(h.Shut, err.Error())
		}
	}
	above := s.path
	for {
		var st unix.Statfs_t
		err := unix.Statfs(above, &st)
		if err == nil {
			h.Free = freeOn(st)
			break
		}
		if !errors.Is(err, unix.ENOENT) || above == "/" {
			return fmt.Errorf("statfs %s: %w", above, err)
		}
		above = filepath.Dir(above)
	}
	if s.root == nil {
		if err := unix.Access(above, unix.W_OK|unix.X_OK); err != nil {
			h.Fault = fmt.Sprintf("%s can't be made: %s: %v", s.path, above, err)
		}
	} else {
		h.Holder = s.lockHolder()
		took, err := s.tryFlip()
		if h.Flip = took; err != nil {
			h.Fault = oneLine(fmt.Sprintf("no link can be flipped in %s: %v", s.path, err))
		}
	}
	var err error
	h.PHP, err = webserver.ReadPHP(os.DirFS("/etc"))
	if errors.Is(err, fs.ErrPermission) {
		err = nil // its settings are not for us to read
	}
	return err
}

// tryFlip flips a link in a folder of its own, and says how long that took.
func (s *session) tryFlip() (took time.Duration, err error) {
	dir := fmt.Sprintf(".pushtrain.probe.%d", os.Getpid())
	if err := s.root.Mkdir(dir, 0o755); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.root.RemoveAll(dir)) }()
	link := dir + "/" + current
	if err := s.root.Symlink("yin", link); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := s.root.Symlink("yang", dir+"/next"); err != nil {
		return 0, err
	}
	if err := s.root.Rename(dir+"/next", link); err != nil {
		return 0, err
	}
	if err := s.syncDir(dir); err != nil {
		return 0, err
	}
	took = time.Since(began)
	to, err := s.root.Readlink(link)
	if err == nil && to != "yang" {
		err = fmt.Errorf("the link leads to %q after a flip to yang", to)
	}
	return took, err
}

// lockHolder says who holds the lock; "" = nobody, or we do.
func (s *session) lockHolder() string {
	f, err := s.root.Open(state + "/lock")
	if err != nil {
		return ""
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		return ""
	}
	return s.lockedBy().Error()
}
