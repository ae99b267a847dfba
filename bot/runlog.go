package bot

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
)

// runLogs are the full logs of rollouts: DIR/runs/ID.log, one line an event, with
// its time in UTC, its host and, for what a command said on stderr, a mark. Each
// command stands there with its arguments when it starts, and with its exit status
// and its time when it has ended. What Config.Secrets hides is not in them. A log
// that can't be written costs the rollout nothing: the journal has the outcome.
type runLogs struct {
	dir  string      // "" = keep none
	news atomic.Bool // there is more to show than when it was last false

	mu   sync.Mutex
	open map[uint64]*runLog
}

type runLog struct {
	file *os.File // nil = none is kept, or it can't be written
	size int64    // bytes, of a restart before this one too

	percent map[string]int // by host: how much of what it is sent has come
	tail    []string       // the last lines, at most runTail
}

// What the logs may take. The steps of a rollout are few and its outcome comes
// last: they have room that no command can fill.
const (
	runLogBytes  = 16 << 20 // of one log, for what commands say
	runStepBytes = 1 << 20  // of one log on top of that, for its steps
	runLogFiles  = 1000     // the newest ones stay
	runTail      = 14       // lines of a rollout under way that are at hand
)

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

// line adds a line that a command said. Progress without text is not kept. Any goroutine may call it.
func (l *runLogs) line(id uint64, x fleet.Line) { l.add(id, x, runLogBytes) }

// step adds a line about the rollout itself; host "" = about all of it. Any goroutine may call it.
func (l *runLogs) step(id uint64, host, text string) {
	l.add(id, fleet.Line{Host: host, Text: text}, runLogBytes+runStepBytes)
}

// answer adds what came of an effect, also where the channel hears of another host's failure alone.
func (l *runLogs) answer(x done) {
	switch e := x.event.(type) {
	case deploy.Failed:
		l.step(x.id, x.host, fmt.Sprintf("%s failed: %s", x.kind, e.Reason))
		for _, t := range e.Tail {
			l.step(x.id, x.host, "  "+t)
		}
	case deploy.Fenced:
		l.step(x.id, x.host, fmt.Sprintf("%s done: %s", x.kind, standing(e.Standing)))
	case deploy.Flipped:
		l.step(x.id, x.host, fmt.Sprintf("%s done in %s", x.kind, e.Took.Round(time.Microsecond)))
	default:
		l.step(x.id, x.host, fmt.Sprintf("%s done", x.kind))
	}
}

// standing says what a host serves, and what its other side holds.
func standing(s deploy.Standing) string {
	if s.Live == "" {
		return "nothing is live"
	}
	text := fmt.Sprintf("%s is live", s.Live)
	if seal, sealed := s.Sides[s.Live]; sealed {
		text += " with " + seal.Release
	}
	if seal, sealed := s.Sides[s.Live.Other()]; sealed {
		text += fmt.Sprintf(", %s holds %s", s.Live.Other(), seal.Release)
	}
	return text
}

// add adds a line to a log that holds less than limit bytes.
func (l *runLogs) add(id uint64, x fleet.Line, limit int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.news.Store(true)
	r := l.open[id]
	if r == nil {
		r = l.start(id)
		l.open[id] = r
	}
	if x.Host != "" && x.Percent > r.percent[x.Host] {
		r.percent[x.Host] = min(x.Percent, 100)
	}
	if x.Text == "" || r.size >= limit {
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
	line := fmt.Sprintf("%s %s%s%s", time.Now().UTC().Format(time.RFC3339), host, mark, printable(x.Text))
	r.write(line)
	if r.size >= limit {
		r.write(fmt.Sprintf("(cut: a run log holds %d MiB)", limit>>20))
	}
}

func (r *runLog) write(line string) {
	r.size += int64(len(line)) + 1
	r.tail = append(r.tail[max(0, len(r.tail)-runTail+1):], line)
	if r.file != nil {
		_, _ = r.file.WriteString(line + "\n") // a log that can't be written costs the rollout nothing
	}
}

// now is how far each host of a rollout under way is with what it is sent, and the
// last lines. Any goroutine may call it.
func (l *runLogs) now(id uint64) (percent map[string]int, tail []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.open[id]
	if r == nil {
		return nil, nil
	}
	return maps.Clone(r.percent), slices.Clone(r.tail)
}

// start opens the log of a rollout, and drops the oldest ones.
func (l *runLogs) start(id uint64) *runLog {
	r := &runLog{percent: map[string]int{}}
	if l.dir == "" || os.MkdirAll(l.dir, 0o750) != nil {
		return r
	}
	file, err := os.OpenFile(l.path(id), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return r
	}
	r.file = file
	if info, err := file.Stat(); err == nil {
		r.size = info.Size()
	}
	l.prune()
	return r
}

// prune removes the oldest logs beyond runLogFiles. What can't be removed is left for the next time.
func (l *runLogs) prune() {
	list, err := os.ReadDir(l.dir)
	if err != nil || len(list) <= runLogFiles {
		return
	}
	var ids []uint64
	for _, e := range list {
		if id, err := strconv.ParseUint(strings.TrimSuffix(e.Name(), ".log"), 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids[:max(0, len(ids)-runLogFiles)] {
		_ = os.Remove(l.path(id))
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
