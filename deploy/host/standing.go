package host

import (
	"errors"
	"io/fs"
	"path/filepath"

	"pushtrain/deploy"
)

// current is the link to the live side, next the one that is about to take its place.
const (
	current = "current"
	next    = ".current.next"
)

// standing reads how the root stands now.
func (s *session) standing() (deploy.Standing, error) {
	var st deploy.Standing
	if s.root == nil {
		return st, nil
	}
	var err error
	if st.Epoch, _, err = s.accepted(); err != nil {
		return st, err
	}
	st.Sides = make(map[deploy.Side]deploy.Seal)
	for _, side := range []deploy.Side{deploy.Yin, deploy.Yang} {
		there, err := s.exists(side)
		if err != nil {
			return st, err
		}
		var seal deploy.Seal
		if there && s.readJSON(sealName(side), &seal) && seal.Digest != "" {
			st.Sides[side] = seal
		}
	}
	if st.Live, err = s.live(); err != nil {
		return st, err
	}
	st.Drain = s.draining(st.Live)
	return st, nil
}

// live returns the side behind the link, "" = there is no link.
func (s *session) live() (deploy.Side, error) {
	info, err := s.root.Lstat(current)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case info.IsDir():
		return "", s.plainFolder()
	case info.Mode().Type() != fs.ModeSymlink:
		return "", refuse(Plain, "%s/current is not a link: move it out of the way", s.path)
	}
	target, err := s.root.Readlink(current)
	if err != nil {
		return "", err
	}
	to := filepath.Clean(target)
	for _, side := range []deploy.Side{deploy.Yin, deploy.Yang} {
		if to == string(side) || to == filepath.Join(s.path, string(side)) {
			return side, nil
		}
	}
	return "", refuse(Moved, "%s/current points to %s, neither to yin nor to yang: copy what is there to %[1]s/yin, then ln -sfn yin %[1]s/current", s.path, target)
}

// plainFolder is the refusal of a current that is a folder: what stood there
// before pushtrain. It becomes a side that does not exist yet.
func (s *session) plainFolder() error {
	for _, side := range []deploy.Side{deploy.Yin, deploy.Yang} {
		if there, err := s.exists(side); err == nil && !there {
			return refuse(Plain, "%s/current is a folder, not a link: mv %[1]s/current %[1]s/%[2]s && ln -s %[2]s %[1]s/current", s.path, side)
		}
	}
	return refuse(Plain, "%s/current is a folder, not a link: move it out of the way and ln -s yin %[1]s/current", s.path)
}

// exists reports whether the side's folder is there. A side that is anything
// but a folder of its own could be the other one.
func (s *session) exists(side deploy.Side) (bool, error) {
	info, err := s.root.Lstat(string(side))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.IsDir():
		return false, refuse(Broken, "%s/%s is not a folder: move it out of the way", s.path, side)
	}
	return true, nil
}
