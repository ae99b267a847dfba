package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// state is the folder in ROOT that holds what the host keeps.
const state = ".pushtrain"

// open755 is the mode of what leads to a release: a web server is another user.
const open755 = 0o755

// makeRoot makes the folder path, and what is missing above it. It is on disk when it
// returns: what is synced in a folder is lost with the folder's own name.
func makeRoot(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(path)
	if err := makeRoot(above); err != nil {
		return err
	}
	if err := os.Mkdir(path, open755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(path, open755); err != nil { // the umask
		return err
	}
	d, err := os.Open(above)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// write puts b in place of the state file name: all of it, or the old one stays.
// It is on disk when it returns.
func (s *session) write(name string, b []byte) error {
	if err := s.swap(name, b, (*os.File).Sync); err != nil {
		return err
	}
	return s.syncDir(state)
}

// swap is write that lasts when sync says so.
func (s *session) swap(name string, b []byte, sync func(*os.File) error) error {
	fresh := state + "/" + name + ".new"
	err := s.writeFile(fresh, os.O_TRUNC|os.O_CREATE, b, sync)
	if err == nil {
		err = s.root.Rename(fresh, state+"/"+name)
	}
	if err != nil {
		_ = s.root.Remove(fresh) // the next write truncates it
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}

// notSynced is for swap: the kernel writes it to disk when it likes.
func notSynced(*os.File) error { return nil }

func (s *session) writeFile(name string, flags int, b []byte, sync func(*os.File) error) error {
	f, err := s.root.OpenFile(name, os.O_WRONLY|flags, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := sync(f); err != nil {
		return err
	}
	return f.Close()
}

// writeJSON is write of v.
func (s *session) writeJSON(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.write(name, b)
}

// readJSON reads what writeJSON wrote and reports whether it is there, and whole.
func (s *session) readJSON(name string, v any) bool {
	b, err := s.root.ReadFile(state + "/" + name)
	return err == nil && json.Unmarshal(b, v) == nil
}

// remove removes a state file for good.
func (s *session) remove(name string) error {
	err := s.root.Remove(state + "/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.syncDir(state)
}

func (s *session) syncDir(name string) error {
	d, err := s.root.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// accepted returns the highest epoch that the host has accepted, 0 = none, and for
// whom; "" = it was not said, as in the files of a host that did not keep it.
func (s *session) accepted() (epoch uint64, owner string, err error) {
	if s.root == nil {
		return 0, "", nil
	}
	b, err := s.root.ReadFile(state + "/epoch")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", err
	}
	number, owner, _ := strings.Cut(strings.TrimSuffix(string(b), "\n"), " ")
	if epoch, err = strconv.ParseUint(number, 10, 64); err != nil {
		return 0, "", fmt.Errorf("%s/%s/epoch is damaged: write the number of the last rollout into it", s.path, state)
	}
	return epoch, strings.TrimRight(owner, " "), nil
}

// ownerMax is how long an owner's name may be.
const ownerMax = 16

// isOwner reports whether name can be kept as an owner's: hex, or nothing.
func isOwner(name string) bool {
	return len(name) <= ownerMax && strings.Trim(name, "0123456789abcdef") == ""
}

// accept keeps epoch and owner. They have one width, so that on a full disk, where
// a rollback must go through, they are written over the old ones: 38 bytes of one sector.
func (s *session) accept(epoch uint64, owner string) error {
	b := fmt.Appendf(nil, "%020d %-*s\n", epoch, ownerMax, owner)
	err := s.write("epoch", b)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		if s.writeFile(state+"/epoch", 0, b, (*os.File).Sync) == nil {
			return nil
		}
	}
	return err
}

// fresh refuses an epoch that is lower than one the host has accepted.
func (s *session) fresh(epoch uint64) error {
	accepted, _, err := s.accepted()
	if err == nil && epoch < accepted {
		err = refuse(Stale, "epoch %d is over: the host has accepted %d", epoch, accepted)
	}
	return err
}

// ours is fresh that also refuses an epoch that somebody else has used: two who
// count alike, from copies of one journal, must not both act under one number.
func (s *session) ours(epoch uint64, owner string) error {
	accepted, by, err := s.accepted()
	switch {
	case err != nil:
		return err
	case epoch < accepted:
		return s.fresh(epoch)
	case epoch == accepted && owner != by:
		return refuse(Stale, "epoch %d was used by another pushtrain", epoch)
	}
	return nil
}
