package host

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
)

// Silence is how long a session that holds the lock may say nothing: a bot whose
// machine has lost its power never ends its sessions, and nobody else could ship.
// A bot that holds a lock and has nothing to say asks for the Status more often.
const Silence = 15 * time.Second

// ErrSilent is the end of a session that held the lock and was not heard any more.
var ErrSilent = fmt.Errorf("nothing was heard from the bot for %s: its lock is given back", Silence)

// errTooLong is what the session ends with: there is no way to the next line.
var errTooLong = errors.New("read request: a line that is too long")

// Input is where a session's requests come from. A read that is under way at its
// deadline fails with [os.ErrDeadlineExceeded].
type Input interface {
	io.Reader
	SetReadDeadline(t time.Time) error
}

// listener reads the lines of a session, and the Blobs behind them.
type listener struct {
	in   Input
	r    *bufio.Reader // of the listener's own heed
	soon bool          // what is read now must come within Silence
	lost error         // why nothing is read any more
}

// heard is how much is read at once: a read is dear where files come by the thousand.
const heard = 256 << 10

func listen(in Input) *listener {
	l := &listener{in: in}
	l.r = bufio.NewReaderSize(heed{l}, heard)
	return l
}

// heed reads the listener's input; each byte winds its deadline up.
type heed struct{ l *listener }

func (h heed) Read(p []byte) (int, error) {
	var end time.Time
	if h.l.soon {
		end = time.Now().Add(Silence)
	}
	if err := h.l.in.SetReadDeadline(end); err != nil && !errors.Is(err, io.ErrClosedPipe) { // of that the read tells
		return 0, err
	}
	n, err := h.l.in.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrSilent
	}
	return n, err
}

// next returns the next line, of limit bytes at most. Its error is that of the input, or ErrSilent when the line must come soon
// and nothing does.
func (l *listener) next(limit int, soon bool) ([]byte, error) {
	if l.lost != nil {
		return nil, l.lost
	}
	l.soon = soon
	line, err := readLine(l.r, limit)
	l.lost = err
	return line, err
}

// take returns the next bytes of what follows the last line, one at least and most at most. They must come
// soon, and are good until the next call.
func (l *listener) take(most int64) ([]byte, error) {
	if l.lost != nil {
		return nil, l.lost
	}
	l.soon = true
	if _, l.lost = l.r.Peek(1); l.lost != nil {
		return nil, l.lost
	}
	p, _ := l.r.Peek(int(min(most, int64(l.r.Buffered()))))
	_, l.lost = l.r.Discard(len(p))
	return p, l.lost
}

// blob is the Blob of a request.
type blob struct {
	l    *listener
	left int64 // bytes, to be taken
}

// take is a source: the Blob.
func (b *blob) take(most int64) ([]byte, error) {
	if b.left == 0 {
		return nil, io.EOF
	}
	p, err := b.l.take(min(most, b.left))
	b.left -= int64(len(p))
	return p, err
}

func (b *blob) Read(p []byte) (int, error) {
	part, err := b.take(int64(len(p)))
	return copy(p, part), err
}

// manifest reads the Blob, which begins with the packed manifest that seal is of, and
// returns what stands behind it, too.
func (b *blob) manifest(seal deploy.Seal) (deploy.Manifest, []byte, error) {
	if b.left > maxManifest {
		return deploy.Manifest{}, nil, refuse(Bad, "a manifest of %d bytes", b.left)
	}
	all := make([]byte, b.left)
	if _, err := io.ReadFull(b, all); err != nil {
		return deploy.Manifest{}, nil, fmt.Errorf("read the manifest: %w", err)
	}
	m, rest, err := deploy.Unpack(all)
	if err != nil {
		return m, nil, refuse(Bad, "the manifest is not that of a release: %v", err)
	}
	if digest := m.Digest(); digest != seal.Digest {
		return m, nil, refuse(Bad, "the manifest's digest is %s, not %s", digest, seal.Digest)
	}
	return m, rest, nil
}

// readLine returns the next line, of limit bytes at most, without its end. What stands behind the last
// end was cut off on the way: it is no request.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > limit:
			return nil, errTooLong
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("read request: %w", err)
		}
	}
}

// stdin is a file as an Input, whatever it is a file of: one that is not in
// non-blocking mode has no deadlines of its own, and its mode is shared with
// other processes.
type stdin struct {
	*os.File
	end time.Time
}

func (f *stdin) SetReadDeadline(t time.Time) error {
	f.end = t
	return nil
}

func (f *stdin) Read(p []byte) (int, error) {
	if !f.end.IsZero() {
		came, err := ready(int(f.Fd()), f.end)
		if err != nil {
			return 0, fmt.Errorf("wait for a request: %w", err)
		}
		if !came {
			return 0, os.ErrDeadlineExceeded
		}
	}
	return f.File.Read(p)
}

// ready waits until fd can be read, and reports whether that came before end.
func ready(fd int, end time.Time) (bool, error) {
	for {
		left := max(0, time.Until(end)) + time.Millisecond - 1 // poll(2) counts whole ones
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, int(left/time.Millisecond)); err != unix.EINTR {
			return n > 0, err
		}
	}
}

// Widen has the pipe fd hold 256 KiB, where it is one and may: each time that one
// end waits for the other costs both. It is little enough that a hundred of them
// are within what pipe(7) lets a user have.
func Widen(fd uintptr) {
	_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 256<<10) // it goes without
}
