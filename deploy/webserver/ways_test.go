package webserver_test

import (
	"context"
	"os"
	"testing"
	"time"

	"pushtrain/deploy/webserver"
)

// way is a way to ship, right or wrong.
type way struct {
	name     string
	right    bool
	unpinned bool          // the server resolves the link for each file
	blind    bool          // opcache.validate_timestamps=0
	reset    bool          // an after_flip that resets the opcode cache
	drain    time.Duration // less than 0 = what the formula says
	slow     time.Duration // that a slow request takes; 0 = the scale's
	ship     func(w *run)
	seen     func(r Row) int // what a wrong way must be seen by
}

// scale is how much is done.
type scale struct {
	slow       time.Duration // that a slow request takes at least
	longest    time.Duration // that it may take on a busy machine
	revalidate int           // opcache.revalidate_freq, seconds
	flips      int           // of the right way
	wrong      int           // flips of a wrong way
	clients    clients
}

var (
	sample = scale{slow: 240 * time.Millisecond, longest: 700 * time.Millisecond, revalidate: 0, flips: 5, wrong: 2, clients: clients{fast: 2, slow: 4}}
	full   = scale{slow: 900 * time.Millisecond, longest: 2 * time.Second, revalidate: 2, flips: 100, wrong: 10, clients: clients{fast: 2, slow: 6}}
)

// drain is what the formula asks for.
func (sc scale) drain(u setup) time.Duration {
	reads := webserver.Reads{Longest: sc.longest}
	if u.php() {
		reads.Revalidate = time.Duration(sc.revalidate) * time.Second
	}
	return reads.Drain()
}

// run is one way with one server.
type run struct {
	t     testing.TB
	setup setup
	scale scale
	site  *site
	probe *probe
	flips int
}

func anyWrong(r Row) int { return r.Errors + r.Mixed + r.Stale }
func mixed(r Row) int    { return r.Mixed }
func failed(r Row) int   { return r.Errors }
func stale(r Row) int    { return r.Stale + r.Mixed }

var ways = []way{
	{name: "pushtrain", right: true, drain: -1, ship: (*run).asItShould, seen: anyWrong},
	{name: "rsync in place", ship: (*run).inPlace, seen: mixed},
	{name: "unlink, then link", ship: (*run).unlink, seen: failed},
	{name: "no pin", unpinned: true, drain: -1, ship: (*run).rollouts, seen: stale},
	{name: "no drain", ship: (*run).noDrain, slow: 900 * time.Millisecond, seen: mixed},
	{name: "same time and size", ship: (*run).sameTimes, seen: stale},
	{name: "validate_timestamps=0", blind: true, drain: -1, ship: (*run).rollouts, seen: stale},
	{name: "the same, after_flip resets", right: true, blind: true, reset: true, drain: -1, ship: (*run).rollouts, seen: anyWrong},
}

// of reports whether the way is one for the setup.
func (w way) of(u setup) bool {
	if u.reloads() {
		return w.right
	}
	return u.php() || !w.blind
}

// measure runs a way and counts.
func (w way) measure(t testing.TB, u setup, sc scale) Row {
	slow := sc.slow
	if w.slow != 0 {
		slow = w.slow
	}
	row := Row{Server: u.name, Way: w.name, Slow: slow, Drain: w.drain}
	if w.drain < 0 {
		row.Drain = sc.drain(u)
	}
	s := newSite(t, row.Drain, w.reset || u.reloads())
	s.ship()
	server := u.start(t, s, knobs{revalidate: sc.revalidate, slow: slow, unpinned: w.unpinned, blind: w.blind})
	if w.reset {
		need(t, "curl", "curl")
		write(t, s.after(), "curl -fsS http://"+server.addr+"/reset.php\n")
	}
	r := &run{t: t, setup: u, scale: sc, site: s, probe: startProbe(t, server, sc.clients)}
	began := time.Now()
	r.load(began)
	w.ship(r)
	r.load(time.Now()) // who was left behind has answered
	row.Flips = r.flips
	flips := s.flips
	if w.name == "rsync in place" || u.reloads() {
		flips = nil // there are none, or the server follows later: only a mixed answer is wrong
	}
	row.count(r.probe.end(), flips)
	return row
}

// load waits until every slow client has had an answer to what it asked after at.
func (w *run) load(at time.Time) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for w.probe.slowSince(at) < w.scale.clients.slow {
		select {
		case <-again.C:
		case <-ctx.Done():
			w.t.Fatal("the clients get no answers")
		}
	}
}

// asItShould is rollouts back to back with rollbacks between them.
func (w *run) asItShould() {
	for w.flips < w.scale.flips {
		if w.flips%3 == 2 {
			w.site.rollback()
		} else {
			w.site.ship()
		}
		w.flips++
	}
}

// rollouts is rollouts back to back.
func (w *run) rollouts() {
	for range 2 * w.scale.wrong {
		w.site.ship()
		w.flips++
	}
}

// fill writes the next release beside the repository and returns its folder.
func (w *run) fill() (dir, release string) {
	dir, release = w.site.dir+"/next", w.site.next()
	pages(w.t, dir, release)
	return dir, release
}

// inPlace sends releases into the side that is live.
func (w *run) inPlace() {
	live, _ := w.site.live()
	for range 2 * w.scale.wrong {
		dir, _ := w.fill()
		must(w.t, "", "rsync", "-rlpt", "--delete", dir+"/", w.site.root+"/"+live+"/")
		w.load(time.Now())
		w.flips++
	}
}

// unlink moves the link as a shell script does that knows no better.
func (w *run) unlink() {
	live, idle := w.site.live()
	dir, _ := w.fill()
	must(w.t, "", "rsync", "-rlpt", "--delete", dir+"/", w.site.root+"/"+idle+"/")
	for range 40 * w.scale.wrong {
		must(w.t, w.site.root, "sh", "-c", "rm current && ln -s "+idle+" current")
		w.site.flipped()
		live, idle = idle, live
		w.flips++
	}
}

// flip moves the link to side as it should be moved, and no more.
func (w *run) flip(side string) {
	w.t.Helper()
	if err := os.Symlink(side, w.site.root+"/next"); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(w.site.root+"/next", w.site.root+"/current"); err != nil {
		w.t.Fatal(err)
	}
	w.site.flipped()
	w.flips++
}

// noDrain fills the side that a flip has left at once.
func (w *run) noDrain() {
	for range 2 * w.scale.wrong {
		dir, _ := w.fill()
		_, idle := w.site.live()
		must(w.t, "", "rsync", "-rlpt", "--delete", dir+"/", w.site.root+"/"+idle+"/")
		w.flip(idle)
	}
}

// sameTimes ships releases all of whose files have one time and one size, as
// reproducible builds do. The contents do arrive on the disk: rsync is told to
// compare them.
func (w *run) sameTimes() {
	for range w.scale.wrong {
		_, idle := w.site.live()
		dir, release := w.fill()
		must(w.t, dir, "find", ".", "-exec", "touch", "-d", "2024-01-01", "{}", "+")
		flags := "-rlpt"
		if w.setup.php() {
			flags += "c"
		}
		must(w.t, "", "rsync", flags, "--delete", dir+"/", w.site.root+"/"+idle+"/")
		w.flip(idle)
		w.site.flips[len(w.site.flips)-1].release = release // whatever is there: that is what should be
		wait := time.NewTimer(w.scale.drain(w.setup))
		<-wait.C
	}
}
