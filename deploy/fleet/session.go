package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"pushtrain/deploy/host"
)

// answerMax is the longest line that a host may answer with.
const answerMax = 1 << 20

// stallTime is how long a host may take no byte, and say nothing, while it is filled, unless Config says.
const stallTime = 30 * time.Second

// busyFew is how often a host may say that it is busy before it is counted by the clock.
const busyFew = 10

// session is one running `pushtrain host`. One goroutine at a time uses it; kill
// may come from any.
type session struct {
	in      io.WriteCloser
	out     *bufio.Scanner
	kill    func()       // ends the peer at once; more than once is fine
	wait    func() error // waits for its end and says why it ended; nil = because it was asked to
	control string       // the control socket that rsync rides on; "" = a folder of this machine
	n       uint64       // of the last request
	began   time.Time    // when our clock of it showed 0
	clock   clock        // the peer's
	ended   sync.Once
	reason  error
}

func newSession(in io.WriteCloser, out io.Reader, kill func(), wait func() error) *session {
	s := &session{in: in, out: bufio.NewScanner(out), kill: kill, wait: wait, began: time.Now()}
	s.out.Buffer(nil, answerMax)
	return s
}

// lostError is a session that is of no use any more: whether its last request
// was carried out is not known.
type lostError struct{ error }

// errEnded is a peer that is not there any more; why, it said by its own end.
var errEnded = errors.New("the session has ended")

func (e lostError) Unwrap() error { return e.error }

// call sends a request and returns its answer, whatever it says. Its error is a
// lostError, and the session is over then. The end of ctx ends the session.
//
// body writes the request's Blob; nil = it has none. With one, and where the host says
// that it is at work, one that takes no byte and says nothing for stall is lost.
func (s *session) call(ctx context.Context, req host.Request, stall time.Duration, body func(*intake) error) (host.Response, error) {
	alive := func() {}
	if body != nil || req.Do.Beats() {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		stalled := time.AfterFunc(stall, func() { cancel(fmt.Errorf("it took no byte and said nothing for %s", stall)) })
		defer stalled.Stop()
		alive = func() { stalled.Reset(stall) }
	}
	resp, err := s.exchange(ctx, req, body, alive)
	if err != nil {
		return host.Response{}, s.lost(ctx, err)
	}
	return resp, nil
}

// within does a part of the session's beginning, for at most d; late is said when it takes longer.
func (s *session) within(ctx context.Context, d time.Duration, late error, do func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d, late)
	defer cancel()
	defer context.AfterFunc(ctx, s.kill)()
	if err := do(); err != nil {
		return s.lost(ctx, err)
	}
	return nil
}

// lost ends the session, which is of no use since err or the end of ctx, and says why.
func (s *session) lost(ctx context.Context, err error) lostError {
	if !errors.Is(err, errEnded) {
		s.kill()
	}
	why := s.end()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case why != nil && errors.Is(err, errEnded):
		err = why
	}
	return lostError{err}
}

func (s *session) exchange(ctx context.Context, req host.Request, body func(*intake) error, alive func()) (host.Response, error) {
	defer context.AfterFunc(ctx, s.kill)()
	s.n++
	req.N = s.n
	sent := time.Since(s.began)
	if req.In > 0 {
		req.Clock = s.clock.there(sent + req.In)
	}
	if err := s.say(req); err != nil {
		return host.Response{}, err
	}
	if body != nil {
		w := &intake{w: s.in, alive: alive}
		if err := body(w); w.failed {
			return host.Response{}, errEnded
		} else if err != nil {
			return host.Response{}, err
		}
	}
	began := time.Now()
	for busy := 1; ; busy++ {
		resp, err := s.answer(req.N)
		if err != nil {
			return resp, err
		}
		if !resp.Busy {
			s.clock.hear(sent, resp.Heard, resp.Told, time.Since(s.began))
			return resp, nil
		}
		if most := busyFew + int(time.Since(began)/(host.BusyEvery/2)); busy > most {
			return host.Response{}, errors.New("it says that it is busy, more often than anybody wants to hear")
		}
		alive()
	}
}

// say writes a request; nothing of it is kept while its answer is waited for.
func (s *session) say(req host.Request) error {
	line, err := json.Marshal(req)
	if err != nil {
		return err
	}
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		return errEnded
	}
	return nil
}

// answer reads the next line, which is to answer request n.
func (s *session) answer(n uint64) (host.Response, error) {
	line, err := s.line()
	if err != nil {
		return host.Response{}, err
	}
	var resp host.Response
	if err := json.Unmarshal(line, &resp); err != nil {
		return host.Response{}, oddError(line)
	}
	if resp.N != n {
		return host.Response{}, fmt.Errorf("it answered request %d when %d was asked", resp.N, n)
	}
	return resp, nil
}

// line reads the next line; it is good until the one behind it.
func (s *session) line() ([]byte, error) {
	if s.out.Scan() {
		return s.out.Bytes(), nil
	}
	if err := s.out.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("it answered with more than %d bytes", answerMax)
	}
	return nil, errEnded
}

// oddError is a line that no session says.
type oddError string

func (e oddError) Error() string {
	return fmt.Sprintf("it says %.60q: the login shell there must print nothing of its own", string(e))
}

// end closes the session and waits for its end.
func (s *session) end() error {
	s.ended.Do(func() {
		s.in.Close() // the peer ends when its input does
		s.reason = s.wait()
	})
	return s.reason
}
