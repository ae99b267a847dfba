package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrBusy is what every [*Busy] is.
var ErrBusy = errors.New("journal in use")

// Busy says that another process uses the journal.
type Busy struct {
	Path string
	PID  int // 0 = unknown
}

func (b *Busy) Error() string {
	who := ""
	if b.PID > 0 {
		who = fmt.Sprintf(" (pid %d)", b.PID)
	}
	return fmt.Sprintf("%s is in use: another pushtrain runs on this state%s", b.Path, who)
}

func (b *Busy) Unwrap() error { return ErrBusy }

// takeLock locks the journal at path for this process until the file it returns is
// closed. The lock has a file of its own, so that the journal can be read and
// replaced before bbolt has it open; that file is never removed.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock journal: %w", err)
	}
	if err := flock(f, lockWait); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = &Busy{Path: path, PID: lockHolder(f)}
		} else {
			err = fmt.Errorf("lock journal: %w", err)
		}
		return nil, errors.Join(err, f.Close())
	}
	// The pid is only told to people: on a full disk the lock holds without it.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f, nil
}

// flock locks f, waiting for at most wait; then EWOULDBLOCK.
func flock(f *os.File, wait time.Duration) error {
	const pause = 20 * time.Millisecond
	for ; ; wait -= pause {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) || wait <= 0 {
			return err
		}
		time.Sleep(pause)
	}
}

// lockHolder reads who locked f.
func lockHolder(f *os.File) int {
	b, _ := io.ReadAll(io.NewSectionReader(f, 0, 32))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}
