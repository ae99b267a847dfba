package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"pushtrain/deploy/host"
)

// answerMax is the longest line that a host may answer with.
const answerMax = 1 << 20

// session is one running `pushtrain host`. One goroutine at a time uses it; kill
// may come from any.
type session struct {
	in      io.WriteCloser
	out     *bufio.Scanner
	kill    func()       // ends the peer at once; more than once is fine
	wait    func() error // waits for its end and says why it ended; nil = because it was asked to
	control string       // the control socket that rsync rides on; "" = a folder of this machine
	n       uint64       // of the last request
	ended   sync.Once
	reason  error
}

func newSession(in io.WriteCloser, out io.Reader, kill func(), wait func() error) *session {
	s := &session{in: in, out: bufio.NewScanner(out), kill: kill, wait: wait}
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
func (s *session) call(ctx context.Context, req host.Request) (host.Response, error) {
	resp, err := s.exchange(ctx, req)
	if err != nil {
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
		return host.Response{}, lostError{err}
	}
	return resp, nil
}

func (s *session) exchange(ctx context.Context, req host.Request) (host.Response, error) {
	defer context.AfterFunc(ctx, s.kill)()
	s.n++
	req.N = s.n
	line, err := json.Marshal(req)
	if err != nil {
		return host.Response{}, err
	}
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		return host.Response{}, errEnded
	}
	if !s.out.Scan() {
		if err := s.out.Err(); errors.Is(err, bufio.ErrTooLong) {
			return host.Response{}, fmt.Errorf("it answered with more than %d bytes", answerMax)
		}
		return host.Response{}, errEnded
	}
	var resp host.Response
	if err := json.Unmarshal(s.out.Bytes(), &resp); err != nil {
		return host.Response{}, fmt.Errorf("it says %.60q: the login shell there must print nothing of its own", s.out.Bytes())
	}
	if resp.N != req.N {
		return host.Response{}, fmt.Errorf("it answered request %d when %d was asked", resp.N, req.N)
	}
	return resp, nil
}

// end closes the session and waits for its end.
func (s *session) end() error {
	s.ended.Do(func() {
		s.in.Close() // the peer ends when its input does
		s.reason = s.wait()
	})
	return s.reason
}
