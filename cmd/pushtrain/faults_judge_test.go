package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pushtrain/bot"
	"pushtrain/bot/store"
	"pushtrain/deploy"
	"pushtrain/train"
)

// patience is how long the judges wait for what has to come; recovery is how long
// it may take from the end of the fault.
const (
	patience = 30 * time.Second
	recovery = 10 * time.Second
)

// docroot is what one host serves, and how each file of it looks.
type docroot struct {
	live  string // yin or yang; "" = there is no link
	page  string
	files map[string]string // by path: inode, size and times; none can be put back after a write
	late  string            // a path that was changed after the flip; "" = none
}

// look reads a docroot. A host that was never filled has an empty one.
func look(root string) (docroot, error) {
	link := filepath.Join(root, "current")
	live, err := os.Readlink(link)
	if errors.Is(err, fs.ErrNotExist) {
		return docroot{}, nil
	}
	if err != nil {
		return docroot{}, err
	}
	page, err := os.ReadFile(filepath.Join(root, live, "parts", "1"))
	if err != nil {
		return docroot{}, err
	}
	d := docroot{live: live, page: strings.TrimSpace(string(page))}
	var flipped unix.Stat_t
	if err := unix.Lstat(link, &flipped); err != nil {
		return docroot{}, err
	}
	if d.files, err = stamps(filepath.Join(root, live)); err != nil {
		return docroot{}, err
	}
	for path, stamp := range d.files {
		var ctime int64
		if _, err := fmt.Sscanf(stamp, "%d", &ctime); err != nil {
			return docroot{}, err
		}
		if ctime > flipped.Ctim.Nano() {
			d.late = path
		}
	}
	return d, nil
}

// stamps tells of every file of a tree what changes when it is written: its ctime first.
func stamps(dir string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			out[path], err = stamp(path)
		}
		return err
	})
	return out, err
}

func stamp(path string) (string, error) {
	var s unix.Stat_t
	err := unix.Lstat(path, &s)
	return fmt.Sprintf("%d %d %d %d %o", s.Ctim.Nano(), s.Ino, s.Size, s.Mtim.Nano(), s.Mode), err
}

// fleetView is all docroots, by host.
type fleetView map[string]docroot

func (r *faultRig) look() (fleetView, error) {
	v := fleetView{}
	for _, name := range r.hosts.Names {
		d, err := look(r.root(name))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		v[name] = d
	}
	return v, nil
}

// uniform returns the page that all hosts serve.
func (v fleetView) uniform() (string, error) {
	pages := map[string][]string{}
	for name, d := range v {
		pages[d.page] = append(pages[d.page], name)
	}
	if len(pages) != 1 {
		return "", fmt.Errorf("the hosts differ: %v", pages)
	}
	for page := range pages {
		return page, nil
	}
	return "", errors.New("there are no hosts")
}

// untouched says what was written in a side that was live.
func (v fleetView) untouched(before fleetView) error {
	for name, was := range before {
		if was.live == "" {
			continue
		}
		if late := v[name].late; late != "" {
			return fmt.Errorf("%s: %s was written after the flip to it", name, late)
		}
		for path, before := range was.files {
			now, err := stamp(path)
			if err != nil {
				return fmt.Errorf("%s: of what was live: %w", name, err)
			}
			if now != before {
				return fmt.Errorf("%s: %s was live, and it was written: %s became %s", name, path, before, now)
			}
		}
	}
	return nil
}

// journal reads the journal as a kill of the bot would leave it now: its sums and
// numbers are sound, what was acknowledged is there, and its records lead to its snapshots.
func (r *faultRig) journal() (deploy.Book, error) {
	var book deploy.Book
	dir, err := os.MkdirTemp("/dev/shm", "pushtrain-test-")
	if err != nil {
		return book, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "journal.db")
	r.bot.mu.Lock()
	acked := r.bot.acked
	r.bot.mu.Unlock()
	if err := r.frozen(func() error {
		b, err := os.ReadFile(filepath.Join(r.state, "journal.db"))
		if err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
		return err
	}); err != nil {
		return book, err
	}
	st, err := store.Open(path)
	if err != nil {
		return book, err
	}
	defer st.Close()
	if st.Last() < acked {
		return book, fmt.Errorf("record %d was acknowledged, and the journal ends with %d", acked, st.Last())
	}
	var queue train.State
	if _, err := st.Verify(context.Background()); err != nil {
		return book, err
	}
	for rec, err := range st.Records(1) {
		if err != nil {
			return book, err
		}
		switch rec.Kind {
		case "deploy":
			in, err := deploy.Unmarshal(rec.Body)
			if err == nil {
				book, _, err = book.Apply(in)
			}
			if err != nil {
				return book, fmt.Errorf("record %d: %w", rec.Seq, err)
			}
		case "train":
			in, err := bot.Input(rec)
			if err == nil {
				queue, _, err = queue.Apply(in)
			}
			if err != nil {
				return book, fmt.Errorf("record %d: %w", rec.Seq, err)
			}
		}
	}
	for name, v := range map[string]any{"train": queue, "deploy": book} {
		kept, err := st.Snapshot(name)
		if err != nil {
			return book, err
		}
		if made, err := json.Marshal(v); err != nil || !bytes.Equal(made, kept) {
			return book, fmt.Errorf("the records lead to another %s than the snapshot: %s, %s (%v)", name, made, kept, err)
		}
	}
	return book, nil
}

// frozen does f while the bot is stopped.
func (r *faultRig) frozen(f func() error) error {
	pid := r.bot.cmd.Process.Pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }() // it is there: it is stopped
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return err
		}
		if bytes.Contains(stat, []byte(") T ")) {
			return f()
		}
		select {
		case <-tick.C:
		case <-deadline:
			return errors.New("the bot does not stop")
		}
	}
}

// outcome is what became of the newest rollout, in the journal and on the hosts.
func (r *faultRig) outcome(before fleetView) (deploy.State, error) {
	book, err := r.journal()
	if err != nil {
		return "", fmt.Errorf("the journal: %w", err)
	}
	now, err := r.look()
	if err != nil {
		return "", err
	}
	if err := now.untouched(before); err != nil {
		return "", err
	}
	for _, o := range book.Open {
		if o.State != deploy.Stuck {
			return "", fmt.Errorf("rollout %d is in %s, and nothing goes on", o.ID, o.State)
		}
		return deploy.Stuck, r.named()
	}
	spare := fleetView{}
	for _, name := range r.hosts.Names[:3] {
		if spare[name], err = look(r.spare(name)); err != nil {
			return "", err
		}
	}
	if err := r.agrees(book, spareTarget, spare); err != nil {
		return "", err
	}
	for name, d := range now {
		if d.live == "" && r.witness.left(name) { // the scene took away what it served
			delete(now, name)
		}
	}
	if err := r.agrees(book, faultTarget, now); err != nil {
		return "", err
	}
	last := deploy.Rollout{}
	for _, o := range book.Latest {
		if o.ID >= last.ID {
			last = o
		}
	}
	return last.State, nil
}

// agrees checks that all hosts of a target that are not in quarantine serve what the
// journal says.
func (r *faultRig) agrees(book deploy.Book, target deploy.Target, now fleetView) error {
	state := book.Latest[target.String()].State
	live, ok := book.Live(target)
	if !ok {
		return nil // nothing of this journal's went there yet
	}
	for host := range book.Quarantine[target.String()] {
		delete(now, host)
	}
	page, err := now.uniform()
	if err != nil {
		return fmt.Errorf("%s after %s: %w", target, state, err)
	}
	if want := r.subject[live.Release.ID]; page != want {
		return fmt.Errorf("%s after %s: the hosts serve %s, and the journal says %s", target, state, page, want)
	}
	return nil
}

// named checks that an incident is told to who asks.
func (r *faultRig) named() error {
	a := r.ask(bot.Request{Do: "status"})
	if text := strings.Join(a.lines, "\n"); a.err != nil || !strings.Contains(text, string(deploy.Stuck)) {
		return fmt.Errorf("a STUCK rollout is not in the status: %v %s", a.err, text)
	}
	return nil
}
