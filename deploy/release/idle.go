package release

import (
	"context"
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/deploy"
)

// idleRate is how many bytes a second [ScanIdle] reads at most.
const idleRate = 64 << 20

// ScanIdle is [Scan] of the folder behind root, every byte of it, beside work that
// matters more: no faster than 64 MiB/s, and where this process does nothing else
// meanwhile (apart), on a thread which the kernel lets run when nobody else wants the
// processor or the disk. That thread ends with the scan, and a thread's end is what
// the children that it has made die of: see Pdeathsig in prctl(2).
func ScanIdle(ctx context.Context, root *os.Root, apart bool) (deploy.Manifest, error) {
	s := &scanner{stamps: make(Known), pace: &pace{since: time.Now()}}
	if !apart {
		return s.alone(ctx, root)
	}
	type result struct {
		m   deploy.Manifest
		err error
	}
	done := make(chan result, 1)
	go func() { // ends with the scan, and its thread with it: it stays locked
		runtime.LockOSThread()
		lower()
		m, err := s.alone(ctx, root)
		done <- result{m, err}
	}()
	r := <-done
	return r.m, r.err
}

// lower has the calling thread run after all others. It may fail: then it is only paced.
func lower() {
	const (
		ioprioWhoProcess = 1
		ioprioIdle       = 3 << 13
	)
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 19) // of a thread, on Linux
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, ioprioIdle)
}

// alone is the scan without workers.
func (s *scanner) alone(ctx context.Context, root *os.Root) (deploy.Manifest, error) {
	s.buf = make([]byte, 256<<10)
	if err := s.walk(ctx, root, ""); err != nil {
		return deploy.Manifest{}, err
	}
	return s.manifest(), nil
}

// pace is a bound on how fast is read.
type pace struct {
	since time.Time
	read  int64
}

// reader is r at that pace.
func (p *pace) reader(ctx context.Context, r io.Reader) io.Reader { return paced{ctx, r, p} }

type paced struct {
	ctx context.Context
	r   io.Reader
	p   *pace
}

func (r paced) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.p.read += int64(n)
	ahead := time.Duration(float64(r.p.read)/idleRate*float64(time.Second)) - time.Since(r.p.since)
	if ahead > 10*time.Millisecond {
		select {
		case <-time.After(ahead):
		case <-r.ctx.Done():
		}
	}
	return n, err
}
