package host

import (
	"context"
	"strings"
	"sync"

	"pushtrain/deploy/release"
)

// follows are the commands whose lines a session follows, by their argv.
type follows map[string]*following

// following is a command that does not end as a rule, and what it has said since it
// was last asked for.
type following struct {
	stop context.CancelFunc
	over chan struct{} // closed when it has ended

	mu    sync.Mutex
	lines []string // of at most tailBehind bytes
	bytes int
	lost  int64 // bytes that were passed over
	err   error // why it has ended; set before over is closed
}

// follow answers what Argv has said since the last time; the first time it is
// started. When it has ended, the answer says how, and the next one starts it anew.
func (s *session) follow(ctx context.Context, req Request, resp *Response) error {
	if req.Argv[0] == "" {
		return refuse(Bad, "%s with no command", req.Do)
	}
	if err := s.forced.mayRun(req.Argv); err != nil {
		return err
	}
	if s.root == nil {
		return refuse(Failed, "there is no %s yet, in which to run %s", s.path, oneLine(strings.Join(req.Argv, " ")))
	}
	key := strings.Join(req.Argv, "\x00")
	f := s.follows[key]
	if f == nil {
		f = startFollowing(ctx, req.Argv, s.path)
		if s.follows == nil {
			s.follows = follows{}
		}
		s.follows[key] = f
	}
	ended := false
	select {
	case <-f.over: // looked at first: all that it has said is there then
		ended = true
	default:
	}
	f.take(resp)
	if !ended || resp.More {
		return nil
	}
	delete(s.follows, key)
	if f.err != nil {
		return refuse(Failed, "%v", f.err)
	}
	return refuse(Failed, "%s has ended", oneLine(strings.Join(req.Argv, " ")))
}

func startFollowing(ctx context.Context, argv []string, dir string) *following {
	ctx, stop := context.WithCancel(ctx)
	f := &following{stop: stop, over: make(chan struct{})}
	go func() {
		defer close(f.over)
		f.err = release.Exec(ctx, argv, dir, []string{"PUSHTRAIN_ROOT=" + dir}, f.line)
	}()
	return f
}

func (f *following) line(line string, _ bool) {
	line = oneLine(line)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines, f.bytes = append(f.lines, line), f.bytes+len(line)+1
	for f.bytes > tailBehind {
		n := len(f.lines[0]) + 1
		f.lines, f.bytes, f.lost = f.lines[1:], f.bytes-n, f.lost+int64(n)
	}
}

// take hands on the oldest lines, as many as one answer may have.
func (f *following) take(resp *Response) {
	f.mu.Lock()
	defer f.mu.Unlock()
	resp.Lost, f.lost = f.lost, 0
	n, bytes := 0, 0
	for n < len(f.lines) && bytes < tailBytes {
		bytes += len(f.lines[n]) + 1
		n++
	}
	resp.Said, f.lines, f.bytes = f.lines[:n:n], f.lines[n:], f.bytes-bytes
	resp.More = len(f.lines) > 0
}

// close ends the commands, and waits for that.
func (f follows) close() {
	for _, c := range f {
		c.stop()
	}
	for _, c := range f {
		<-c.over
	}
}
