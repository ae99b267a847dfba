package fleet

import (
	"fmt"
	"slices"
	"strconv"
	"sync"

	"pushtrain/deploy"
	"pushtrain/deploy/release"
)

// What the guard lets pass at most. A build that went half wrong makes a sound
// release of little: every check but this one is green.
const (
	goneShare = 30      // percent of what is live that may be deleted, and
	goneFew   = 10      // so many files may always be
	tinyShare = 10      // percent of the bytes that are live which must be left, where there are
	tinyFrom  = 1 << 20 // so many bytes
)

// guard reports why the release that is to be shipped can hardly be meant to
// replace what the host serves. It compares the manifests in the archive, so it
// holds before the host is asked for anything.
//
// It passes over a rollback, a host that is brought up to date, a release that
// people want in spite of it, what was decided by COMMIT, and what the archive
// does not know.
func (d deed) guard(e deploy.Prepare) error {
	i := slices.IndexFunc(d.r.Hosts, func(h deploy.Host) bool { return h.Name == d.name })
	if d.r.Back || d.r.Sync || d.r.Force || d.r.State == deploy.Flipping || i < 0 {
		return nil
	}
	was := d.r.Hosts[i].Was
	if was.Digest == "" || was.Digest == e.Release.Digest {
		return nil
	}
	c, err := d.s.changes.of(d.s.store, was, e.Release)
	if err != nil {
		d.say("the release is not compared with %s, which is live: %s", was.Release, oneLine(err.Error()))
		return nil
	}
	if fault := c.fault(d.name); fault != "" {
		return fmt.Errorf("%s; if that is right: pushtrain deploy %s %s --override \"why\"", fault, d.r.Stack, d.r.Stage)
	}
	return nil
}

// change is what a release does to the one before. Files are files and links.
type change struct {
	had, has   int   // files before, and after
	gone       int   // files before whose path is no more
	hadB, hasB int64 // bytes before, and after
}

// changeOf compares two manifests, both in byte order of Path.
func changeOf(was, next deploy.Manifest) change {
	c := change{hadB: was.Bytes(), hasB: next.Bytes()}
	n := next.Entries
	for _, e := range next.Entries {
		if e.Type != deploy.Dir {
			c.has++
		}
	}
	for _, e := range was.Entries {
		if e.Type == deploy.Dir {
			continue
		}
		c.had++
		for len(n) > 0 && n[0].Path < e.Path {
			n = n[1:]
		}
		if len(n) == 0 || n[0].Path != e.Path {
			c.gone++
		}
	}
	return c
}

// fault says in numbers why the change is too big for a host; "" = it is not.
func (c change) fault(host string) string {
	switch {
	case c.has == 0:
		return fmt.Sprintf("the release has no files, %s serves %s", host, grouped(c.had))
	case c.gone > goneFew && c.gone*100 > c.had*goneShare:
		return fmt.Sprintf("the release has %s, %s serves %s: %d %% would be deleted", files(c.has), host, grouped(c.had), c.percent())
	case c.hadB >= tinyFrom && c.hasB < c.hadB/100*tinyShare:
		return fmt.Sprintf("the release has %s bytes, %s serves %s: less than a tenth", grouped(c.hasB), host, grouped(c.hadB))
	}
	return ""
}

// percent is the share of the files that goes: rounded up, so that it is always
// more than the limit that it broke, but 100 only where all of them go.
func (c change) percent() int {
	if c.gone == c.had {
		return 100
	}
	return min(99, (c.gone*100+c.had-1)/c.had)
}

func files(n int) string {
	if n == 1 {
		return "1 file"
	}
	return grouped(n) + " files"
}

// grouped writes 9987 as 9,987.
func grouped[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// changes keeps what the release that was asked for last does to those before: the
// hosts of a fleet mostly serve the same, and a manifest may take a while to read.
// The zero value keeps nothing.
type changes struct {
	mu   sync.Mutex // held while one is made: the others wait for it
	next string     // the digest of that release
	from map[string]change
}

// of returns what r does to the release of the seal was. Both must be archived.
func (c *changes) of(store *release.Store, was deploy.Seal, r deploy.Release) (change, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != r.Digest {
		c.next, c.from = r.Digest, make(map[string]change)
	}
	if known, ok := c.from[was.Digest]; ok {
		return known, nil
	}
	var of [2]deploy.Manifest
	for i, want := range []deploy.Seal{was, {Release: r.ID, Digest: r.Digest}} {
		known, err := store.Load(want.Release)
		if err != nil {
			return change{}, err
		}
		if known.Digest != want.Digest {
			return change{}, fmt.Errorf("release %s in the archive is another one", want.Release)
		}
		if of[i], err = store.Manifest(want.Release); err != nil {
			return change{}, err
		}
	}
	made := changeOf(of[0], of[1])
	c.from[was.Digest] = made
	return made, nil
}
