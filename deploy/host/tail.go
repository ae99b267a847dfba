package host

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Position is how far a log file has been read. The zero Position is the end of
// the file that is there now.
type Position struct {
	Inode  uint64 `json:",omitempty"`
	Offset int64  `json:",omitempty"` // bytes
}

const (
	tailBytes  = 128 << 10 // of one answer, in lines
	tailBehind = 4 << 20   // what a reader may be behind; the rest is passed over
)

// tail reads the whole lines that have come to a log since At. A file that was
// rotated or cut off is read from its begin.
func (s *session) tail(req Request, resp *Response) error {
	if !filepath.IsAbs(req.File) || filepath.Clean(req.File) != req.File {
		return refuse(Bad, "log %.100q is no clean absolute path", req.File)
	}
	if s.forced != nil && !slices.Contains(s.forced.Logs, req.File) {
		return refuse(Bad, "this key's command in authorized_keys does not allow it to read %s: add --log '%[1]s' there", oneLine(req.File))
	}
	f, err := os.OpenFile(req.File, os.O_RDONLY|unix.O_NONBLOCK, 0) // a fifo is not waited for
	if errors.Is(err, fs.ErrNotExist) {
		resp.At = Position{Inode: 1} // when there is one, all of it is new
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return refuse(Bad, "%s is no file", req.File)
	}
	at := Position{Inode: st.Ino, Offset: req.At.Offset}
	switch {
	case req.At == Position{}:
		at.Offset = st.Size
	case req.At.Inode != st.Ino || at.Offset > st.Size || at.Offset < 0:
		at.Offset = 0
	}
	var lost int64
	if behind := st.Size - at.Offset; behind > tailBehind {
		lost = behind - tailBytes
		at.Offset += lost
	}
	buf := make([]byte, min(tailBytes, st.Size-at.Offset))
	n, err := f.ReadAt(buf, at.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	buf = buf[:n]
	whole := bytes.LastIndexByte(buf, '\n') + 1
	if whole == 0 && n == tailBytes {
		whole = n // a line that does not end
	}
	for line := range bytes.Lines(buf[:whole]) {
		resp.Said = append(resp.Said, oneLine(string(bytes.TrimRight(line, "\r\n"))))
	}
	at.Offset += int64(whole)
	resp.At, resp.Lost, resp.More = at, lost, st.Size-at.Offset >= tailBytes
	return nil
}
