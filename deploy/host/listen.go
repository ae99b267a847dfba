package host

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"
)

// Silence is how long a session that holds the lock may say nothing: a bot whose
// machine has lost its power never ends its sessions, and nobody else could ship.
// A bot that holds a lock and has nothing to say asks for the Status more often.
const Silence = 15 * time.Second

// ErrSilent is the end of a session that held the lock and was not heard any more.
var ErrSilent = fmt.Errorf("nothing was heard from the bot for %s: its lock is given back", Silence)

// errTooLong is what the session ends with: there is no way to the next line.
var errTooLong = errors.New("read request: a line that is too long")

// listener reads the lines of a session on a goroutine of its own, so that the
// wait for the next one can end. The goroutine ends with its input, or with a
// read that returns after stop.
type listener struct {
	lines   chan []byte
	ended   chan error
	stopped chan struct{}
	silence *time.Timer // since the last byte
}

func listen(in io.Reader, limit int) *listener {
	l := &listener{
		lines: make(chan []byte), ended: make(chan error, 1), stopped: make(chan struct{}),
		silence: time.NewTimer(Silence),
	}
	go func() {
		r := bufio.NewReaderSize(pulse{in, l.silence}, maxSmall)
		for {
			line, err := readLine(r, limit)
			if err != nil {
				l.ended <- err
				return
			}
			select {
			case l.lines <- line:
			case <-l.stopped:
				return
			}
		}
	}()
	return l
}

// pulse is a reader that winds up a timer with each byte.
type pulse struct {
	io.Reader
	silence *time.Timer
}

func (p pulse) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if n > 0 {
		p.silence.Reset(Silence)
	}
	return n, err
}

// next returns the next line. Its error is that of the input, or ErrSilent when
// the line must come soon and nothing does.
func (l *listener) next(soon bool) ([]byte, error) {
	l.silence.Reset(Silence) // the time that the last request took was ours
	for {
		select {
		case line := <-l.lines:
			return line, nil
		case err := <-l.ended:
			return nil, err
		case <-l.silence.C:
			if soon {
				return nil, ErrSilent
			}
		}
	}
}

func (l *listener) stop() {
	l.silence.Stop()
	close(l.stopped)
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
