package fleet

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// intake is where the Blob of a request goes. It takes it in pieces, and calls
// alive when one was taken.
type intake struct {
	w      io.Writer
	alive  func()
	failed bool // it takes no more
}

// handful is how much is handed over at once, in bytes.
const handful = 64 << 10

// span is a part of a file.
type span struct{ at, size int64 }

func (t *intake) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := t.w.Write(p[done:min(len(p), done+handful)])
		done += n
		if err != nil {
			t.failed = true
			return done, err
		}
		t.alive()
	}
	return done, nil
}

// pass takes a part of a file. Where a pipe leads to the host, its bytes are not
// copied on the way into it: the part must stay as it is.
func (t *intake) pass(f *os.File, part span) error {
	if part.size == 0 {
		return nil
	}
	if pipe, ok := t.w.(*os.File); ok {
		var err error
		if part, err = t.splice(pipe, f, part); !errors.Is(err, unix.EINVAL) { // a file system that can't
			return err
		}
	}
	_, err := io.Copy(t, io.NewSectionReader(f, part.at, part.size))
	return err
}

// splice has the kernel pass on a part of a file, and returns what is left of it.
func (t *intake) splice(pipe, f *os.File, part span) (span, error) {
	to, err := pipe.SyscallConn()
	if err != nil {
		return part, err
	}
	from := int(f.Fd())
	for part.size > 0 {
		var n int64
		var err error
		gone := to.Write(func(fd uintptr) bool {
			at := part.at
			n, err = unix.Splice(from, &at, int(fd), nil, int(part.size), unix.SPLICE_F_NONBLOCK)
			return err != unix.EAGAIN
		})
		switch {
		case gone != nil || err == unix.EPIPE:
			t.failed = true
			return part, errors.Join(gone, err)
		case err == unix.EINTR:
			continue
		case err != nil:
			return part, os.NewSyscallError("splice", err)
		case n == 0:
			return part, io.ErrUnexpectedEOF
		}
		part = span{part.at + n, part.size - n}
		t.alive()
	}
	return part, nil
}
