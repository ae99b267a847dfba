package bot

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pushtrain/deploy/fleet"
)

// runLogs are the full logs of rollouts: DIR/runs/ID.log, one line an event, with
// its time in UTC, its host and, for what a command said on stderr, a mark. A log
// that can't be written costs the rollout nothing: the journal has the outcome.
type runLogs struct {
	dir string // "" = keep none

	mu   sync.Mutex
	open map[uint64]*runLog
}

type runLog struct {
	file *os.File
	left int64 // bytes that it may still take
}

const runLogBytes = 16 << 20

func openRunLogs(dir string) *runLogs {
	l := &runLogs{open: map[uint64]*runLog{}}
	if dir != "" {
		l.dir = filepath.Join(dir, "runs")
	}
	return l
}

// path is where the log of a rollout is; "" when none is kept.
func (l *runLogs) path(id uint64) string {
	if l.dir == "" {
		return ""
	}
	return filepath.Join(l.dir, fmt.Sprintf("%d.log", id))
}

// line adds a line. Progress without text is not kept. Any goroutine may call it.
func (l *runLogs) line(id uint64, x fleet.Line) {
	if l.dir == "" || x.Text == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.open[id]
	if r == nil {
		r = &runLog{left: runLogBytes}
		if os.MkdirAll(l.dir, 0o750) == nil {
			r.file, _ = os.OpenFile(l.path(id), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640) // see runLogs: no log, no harm
		}
		l.open[id] = r
	}
	if r.file == nil || r.left <= 0 {
		return
	}
	mark := ""
	if x.Err {
		mark = "STDERR: "
	}
	host := ""
	if x.Host != "" {
		host = x.Host + ": "
	}
	n, _ := fmt.Fprintf(r.file, "%s %s%s%s\n", time.Now().UTC().Format(time.RFC3339), host, mark, printable(x.Text))
	if r.left -= int64(n); r.left <= 0 {
		fmt.Fprintf(r.file, "(cut: a run log holds %d MiB)\n", runLogBytes>>20)
	}
}

// printable shows control bytes instead of sending them to a terminal.
func printable(s string) string {
	q := []rune{}
	for _, r := range s {
		if r < ' ' && r != '\t' || r == 0x7f {
			q = append(q, []rune(fmt.Sprintf("\\x%02x", r))...)
			continue
		}
		q = append(q, r)
	}
	return string(q)
}

func (l *runLogs) end(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.open[id]; r != nil && r.file != nil {
		r.file.Close()
	}
	delete(l.open, id)
}

func (l *runLogs) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, r := range l.open {
		if r.file != nil {
			r.file.Close()
		}
		delete(l.open, id)
	}
}
