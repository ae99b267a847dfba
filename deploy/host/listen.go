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

// listener reads the lines of a session, and the Blobs behind them, on a goroutine
// of its own, so that the wait for more can end. The goroutine ends with stop, or
// with a read that returns after it.
type listener struct {
	asked   chan []byte // what is to be filled with bytes of a Blob; nil = a line is wanted
	heard   chan sound  // the answer to each
	stopped chan struct{}
	silence *time.Timer // since the last byte
	lost    error       // why nothing is read any more
}

// sound is a line, or how many bytes of a Blob there are.
type sound struct {
	line []byte
	n    int
	err  error
}

func listen(in io.Reader, limit int) *listener {
	l := &listener{
		asked: make(chan []byte), heard: make(chan sound, 1), stopped: make(chan struct{}),
		silence: time.NewTimer(Silence),
	}
	go func() {
		r := bufio.NewReaderSize(pulse{in, l.silence}, maxSmall)
		for {
			select {
			case to := <-l.asked:
				var s sound
				if to == nil {
					s.line, s.err = readLine(r, limit)
				} else {
					s.n, s.err = r.Read(to)
				}
				l.heard <- s
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
	s := l.ask(nil, soon)
	return s.line, s.err
}

// Read reads what follows the last line. The bytes must come soon.
func (l *listener) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, l.lost
	}
	s := l.ask(p, true)
	return s.n, s.err
}

func (l *listener) ask(to []byte, soon bool) sound {
	if l.lost != nil {
		return sound{err: l.lost}
	}
	l.silence.Reset(Silence) // the time that the last request took was ours
	l.asked <- to
	for {
		select {
		case s := <-l.heard:
			l.lost = s.err
			return s
		case <-l.silence.C:
			if soon {
				l.lost = ErrSilent
				return sound{err: ErrSilent}
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
