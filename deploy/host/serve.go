package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
)

const (
	maxLine     = 64 << 10  // bytes of a request
	maxManifest = 256 << 20 // bytes of its Blob that are a manifest: 2.5 million files with a path of 60

	// usualDrain is what a session that has not said Hello goes by.
	usualDrain = 10 * time.Second
)

// Serve answers the requests of one session about root, an absolute path, from in
// to out until in ends, or until a session that holds the lock has not been heard
// for [Silence]. It gives the lock back in any case. Its error is that of in, out
// or ctx, or [ErrSilent]; a request that is refused is an answer.
func Serve(ctx context.Context, root string, in Input, out io.Writer) error {
	root = filepath.Clean(root)
	if !filepath.IsAbs(root) || root == "/" {
		return fmt.Errorf("serve %q: a root is an absolute path below /", root)
	}
	return newSession(root).run(ctx, in, out)
}

func newSession(root string) *session { return &session{path: root, drain: usualDrain} }

// run is the session, from its first request to its end.
func (s *session) run(ctx context.Context, in Input, out io.Writer) error {
	defer s.close()
	return s.serve(ctx, in, out, maxLine)
}

// serve is Serve with lines of limit bytes at most.
func (s *session) serve(ctx context.Context, in Input, out io.Writer, limit int) error {
	s.out, s.began = out, time.Now()
	l := listen(in)
	for ctx.Err() == nil {
		line, err := l.next(limit, s.lock != nil)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errTooLong):
			err = errors.Join(err, send(out, refused(Response{}, refuse(Bad, "%v", err))))
		case err == nil:
			err = send(out, s.answer(ctx, line, l))
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

func send(out io.Writer, resp Response) error {
	b, err := json.Marshal(resp)
	if err != nil {
		return err // unreachable: a Response is made of what JSON can say
	}
	if _, err := out.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// session is one session. It is used by one goroutine.
type session struct {
	path  string        // ROOT
	apart bool          // this process is the session's alone
	out   io.Writer     // for answers
	began time.Time     // when its clock showed 0
	drain time.Duration // how long a side may have readers after it was left
	rsync string        // its version; "" = not known yet, or it is missing

	follows follows

	helper string // by a forced command: what this program is called as a helper
	conn   string // by a forced command: the connection, as sshd names it
	forced *Call  // by a forced command: what its key may do; nil = there is none

	root  *os.Root // nil = ROOT does not exist; opened anew for each request until the lock is held
	lock  *os.File // nil = the lock is not held
	epoch uint64   // what the lock is held for

	recalled map[deploy.Side]recalled // records that were read or written before
	vigil    vigil

	filling *filling  // nil = no side is known well enough
	n       uint64    // the request that is under way
	said    time.Time // when the other end heard of it last
}

func (s *session) close() {
	defer s.follows.close()
	s.unlock()
	s.vigil.close()
	if s.root != nil {
		s.root.Close()
	}
}

// refusal is an answer that says no.
type refusal struct {
	code Code
	text string
}

func (r *refusal) Error() string { return r.text }

func refuse(code Code, format string, args ...any) error {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// refused is resp with why it is a no.
func refused(resp Response, err error) Response {
	resp.Err, resp.Code = oneLine(err.Error()), Broken
	var r *refusal
	if errors.As(err, &r) {
		resp.Code = r.code
	}
	return resp
}

// answer carries out the request in line. It leaves in behind the request's Blob.
func (s *session) answer(ctx context.Context, line []byte, in *listener) Response {
	var req Request
	if err := json.Unmarshal(line, &req); err != nil {
		return refused(Response{}, refuse(Bad, "not a request: %v", err))
	}
	resp := Response{N: req.N, Heard: time.Since(s.began)}
	if req.Blob < 0 {
		return refused(resp, refuse(Bad, "a Blob of %d bytes", req.Blob))
	}
	body := &blob{in, req.Blob}
	defer io.Copy(io.Discard, body) // where it was refused; that in has ended, the next read tells
	s.n, s.said = req.N, time.Now()
	err := s.do(ctx, req, body, &resp)
	standing, standErr := s.standing()
	resp.Standing = standing
	resp.Told = time.Since(s.began)
	if err == nil {
		err = standErr
	}
	if err != nil {
		return refused(resp, err)
	}
	return resp
}

// do carries out req.
func (s *session) do(ctx context.Context, req Request, body *blob, resp *Response) error {
	if req.Do == Hello || req.Do == Lock || req.Do == Checkup {
		if err := s.guard(); err != nil {
			return err
		}
	}
	if req.Witness != "" && !IsWitness(req.Witness) {
		return refuse(Bad, "witness %.100q of no journal", req.Witness)
	}
	if err := s.open(req.Do == Lock && req.Epoch > 0); err != nil {
		return err
	}
	switch req.Do {
	case Hello:
		return s.hello(ctx, req, resp)
	case Status:
		resp.Witness = s.witness()
		return nil
	case Tail:
		if len(req.Argv) > 0 {
			return s.follow(ctx, req, resp)
		}
		return s.tail(req, resp)
	case Checkup:
		return s.checkup(req, resp)
	case Audit:
		return s.audit(ctx, req, body, resp)
	case Lock:
		return s.takeLock(ctx, req)
	case Unlock:
		if err := s.fresh(req.Epoch); err != nil {
			return err
		}
		if s.lock != nil {
			s.keepWitness(req.Witness)
		}
		s.unlock()
		return nil
	case Before, After:
		return s.hook(ctx, req, resp)
	case Prepare, Fill, Files, Seal, Flip:
		if err := s.may(req); err != nil {
			return err
		}
	default:
		return refuse(Bad, "verb %q is none of this protocol", string(req.Do))
	}
	switch req.Do {
	case Prepare:
		return s.prepare(ctx, req, resp)
	case Fill:
		return s.doubt(s.fill(ctx, req, body, resp))
	case Files:
		return s.doubt(s.files(ctx, req, body))
	case Seal:
		return s.seal(ctx, req, body, resp)
	default:
		return s.flip(ctx, req, resp)
	}
}

// busy tells the other end every BusyEvery that the request is worked on. Its
// error is ctx's end, or that of the session.
func (s *session) busy(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if time.Since(s.said) < BusyEvery {
		return nil
	}
	s.said = time.Now()
	return send(s.out, Response{N: s.n, Busy: true})
}

// beat does work that can't tell by itself that it goes on: the other end hears it every
// BusyEvery. Work that nobody waits for any more is asked to end, for it keeps the lock.
func (s *session) beat(ctx context.Context, work func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var beats sync.WaitGroup
	defer beats.Wait() // before anything else is said
	defer cancel(nil)
	beats.Go(func() {
		tick := time.NewTicker(BusyEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if err := send(s.out, Response{N: s.n, Busy: true}); err != nil {
				cancel(err)
			}
		}
	})
	return work(ctx)
}

// doubt passes err on; after one, what the side holds is known no more.
func (s *session) doubt(err error) error {
	if err != nil {
		s.filling = nil
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return refuse(Full, "the disk of %s is full: make room and ship again", s.path)
	}
	return err
}

// may reports why a request on a side is not carried out, whatever it asks for.
func (s *session) may(req Request) error {
	if err := s.holds(req); err != nil {
		return err
	}
	if err := checkSide(req.Side); err != nil {
		return err
	}
	if asItIs := req.Do == Flip && req.From != "" && req.Seal.Release == "" && req.Seal.Digest == ""; asItIs {
		return nil
	}
	if req.Seal.Release == "" || len(req.Seal.Digest) != 64 {
		return refuse(Bad, "%s of no release", req.Do)
	}
	return nil
}

// holds refuses a request of an epoch that the lock is not held for.
func (s *session) holds(req Request) error {
	if err := s.fresh(req.Epoch); err != nil {
		return err
	}
	switch {
	case s.lock == nil:
		return refuse(NotLock, "%s without the lock", req.Do)
	case req.Epoch != s.epoch:
		return refuse(NotLock, "the lock is held for epoch %d, not %d", s.epoch, req.Epoch)
	}
	return nil
}

// checkSide refuses what is no side.
func checkSide(side deploy.Side) error {
	if side != deploy.Yin && side != deploy.Yang {
		return refuse(Bad, "side %q is neither yin nor yang", string(side))
	}
	return nil
}

// open opens ROOT, which is made when create says so and there is none.
func (s *session) open(create bool) error {
	if s.lock != nil {
		return nil
	}
	if s.root != nil {
		s.root.Close()
		s.root = nil
	}
	if create {
		if err := makeRoot(s.path); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	s.root = root
	return err
}

// oneLine makes text fit for one line: no control bytes, at most about 1,000 bytes.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, string(bytes.ToValidUTF8([]byte(text), []byte("?"))))
	if len(text) <= 1000 {
		return text
	}
	cut := 1000
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
