package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// guard refuses a root that nobody can have meant, before anything is made there.
// A folder that has the state folder was meant once, or somebody says so by making it.
func (s *session) guard() error {
	info, err := os.Lstat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() == fs.ModeSymlink:
		to, err := filepath.EvalSymlinks(s.path)
		if err != nil {
			to = "what it leads to"
		}
		return refuse(BadRoot, "root %s is a link, and could lead elsewhere tomorrow: name %s itself", s.path, to)
	case !info.IsDir():
		return refuse(BadRoot, "root %s is not a folder: move it out of the way", s.path)
	}
	if _, err := os.Lstat(filepath.Join(s.path, state)); err == nil {
		return nil
	}
	what := ""
	if isHome(s.path) {
		what = "a home folder"
	} else if mounted, err := isMount(s.path); err != nil {
		return err
	} else if mounted {
		what = "a file system's top folder"
	}
	if what != "" {
		return refuse(BadRoot, "root %s is %s: name a folder below it, or say that it is meant: mkdir %[1]s/%[3]s", s.path, what, state)
	}
	return nil
}

// isHome reports whether path is somebody's home folder, as far as one can tell by its name.
func isHome(path string) bool {
	if home, err := os.UserHomeDir(); err == nil && filepath.Clean(home) == path {
		return true
	}
	return path == "/root" || filepath.Dir(path) == "/home"
}

// isMount reports whether a file system is mounted at path.
func isMount(path string) (bool, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &st); err != nil {
		return false, fmt.Errorf("statx %s: %w", path, err)
	}
	if st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
	}
	var up unix.Statx_t // a kernel before 5.8 does not say
	if err := unix.Statx(unix.AT_FDCWD, filepath.Dir(path), 0, 0, &up); err != nil {
		return false, fmt.Errorf("statx %s: %w", filepath.Dir(path), err)
	}
	return st.Dev_major != up.Dev_major || st.Dev_minor != up.Dev_minor, nil
}

// oldestRsync is the first whose --delete and arguments are what is asked for.
var oldestRsync = [...]int{3, 2, 3}

// CheckRsync reports why an rsync of this version, as Hello answers it, is not
// used; "" = there is none. It names no host: the caller does.
func CheckRsync(version string) error {
	if version == "" {
		return errors.New("rsync is missing there: install it (Debian: apt-get install rsync)")
	}
	rest := strings.TrimPrefix(version, "v")
	for _, least := range oldestRsync {
		digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		n, err := strconv.Atoi(digits)
		if err != nil || n < least {
			return fmt.Errorf("rsync %s there is older than 3.2.3: install a newer one", version)
		}
		if n > least {
			return nil
		}
		rest = strings.TrimPrefix(rest[len(digits):], ".")
	}
	return nil
}
