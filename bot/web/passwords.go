package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Wrong passwords: so many of one address for one name, and of one address for all
// names, until the window is over. Behind a proxy all come from one address.
const (
	wrongOfName = 5
	wrongOfAddr = 30
	wrongWindow = time.Minute
)

// maxCost is how much work a password of the file may be: 2^14 rounds, about a second.
const maxCost = 14

var (
	errWrong   = errors.New("wrong name or password")
	errTooMany = errors.New("too many wrong passwords")
)

// CheckPasswords says what is wrong with an htpasswd file; the page reads it anew at each request.
func CheckPasswords(path string) error {
	_, err := readPasswords(path)
	return err
}

// readPasswords reads the bcrypt hashes of an htpasswd file by name: lines such as
// `htpasswd -B` writes, comments and empty lines. Its errors name lines, never what is in them.
func readPasswords(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return nil, fmt.Errorf("others may read or change %s (mode %04o): chmod 640 %[1]s", path, mode)
	}
	const limit = 1 << 20
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && len(data) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, hash, _ := strings.Cut(line, ":")
		cost, err := bcrypt.Cost([]byte(hash))
		switch {
		case name == "" || len(name) > maxUser || clean(name) != name:
			return nil, fmt.Errorf("%s:%d: this is no `name:hash`", path, n)
		case err != nil:
			return nil, fmt.Errorf("%s:%d: no bcrypt hash: make it with `htpasswd -B`", path, n)
		case cost > maxCost:
			return nil, fmt.Errorf("%s:%d: the hash costs 2^%d rounds, at most 2^%d", path, n, cost, maxCost)
		case out[name] != "":
			return nil, fmt.Errorf("%s:%d: this name is there twice", path, n)
		}
		out[name] = hash
	}
	return out, nil
}

// logins checks passwords. What was right once is known by a digest for as long as
// the file has that hash, so that a page costs no hashing, and so that whoever
// guesses at a name does not lock its owner out of what is open in their browser.
type logins struct {
	path    string
	key     []byte        // of the digests; of this process alone
	hashing chan struct{} // one entry a password that is being tried: it must not slow the trains

	mu    sync.Mutex
	right map[[sha256.Size]byte]string // digests of name and password; the hash that they fit
	wrong map[guess]*guesses
}

// guess is who tries what; name "" = all names.
type guess struct {
	addr netip.Addr
	name string
}

type guesses struct {
	since time.Time
	n     int
}

// maxKept is how many digests, and how many guesses, are remembered.
const maxKept = 10_000

func newLogins(path string) *logins {
	l := &logins{path: path, key: make([]byte, 32), hashing: make(chan struct{}, 2), right: map[[sha256.Size]byte]string{}, wrong: map[guess]*guesses{}}
	_, _ = rand.Read(l.key) // it never fails, says crypto/rand
	return l
}

// check returns nil for the right password, errWrong, errTooMany with how long to
// wait, or why the file can't be read.
func (l *logins) check(addr netip.Addr, name, password string) (wait time.Duration, err error) {
	hashes, err := readPasswords(l.path)
	if err != nil {
		return 0, err
	}
	if name == "" || len(name) > maxUser {
		return 0, errWrong
	}
	hash := hashes[name]
	mac := hmac.New(sha256.New, l.key)
	fmt.Fprintf(mac, "%d %s%s", len(name), name, password)
	digest := [sha256.Size]byte(mac.Sum(nil))
	l.mu.Lock()
	known := hash != "" && l.right[digest] == hash
	if !known {
		wait = l.guesses(addr, name, time.Now())
	}
	l.mu.Unlock()
	switch {
	case known:
		return 0, nil
	case wait > 0:
		return wait, errTooMany
	}
	against := hash
	if hash == "" {
		for _, against = range hashes { // somebody's: an unknown name takes as long to refuse
			break
		}
	}
	l.hashing <- struct{}{}
	fits := bcrypt.CompareHashAndPassword([]byte(against), []byte(password)) == nil && hash != ""
	<-l.hashing
	if !fits {
		return 0, errWrong
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.right) >= maxKept {
		clear(l.right)
	}
	l.right[digest] = hash
	for _, g := range [...]guess{{addr, name}, {addr, ""}} {
		if w := l.wrong[g]; w != nil {
			w.n-- // it was none
		}
	}
	return 0, nil
}

// guesses counts a try before it is made, so that many at once count too, and
// returns how long to wait instead; 0 = try. It is called with mu held. An IPv6 address is its /64.
func (l *logins) guesses(addr netip.Addr, name string, now time.Time) time.Duration {
	if addr.Is6() {
		p, _ := addr.Prefix(64) // it has 128
		addr = p.Addr()
	}
	if len(l.wrong) >= maxKept {
		for g, w := range l.wrong {
			if now.Sub(w.since) >= wrongWindow {
				delete(l.wrong, g)
			}
		}
		if len(l.wrong) >= maxKept {
			return wrongWindow // more guess than can be counted
		}
	}
	all, one := guess{addr, ""}, guess{addr, name}
	for _, g := range [...]guess{all, one} { // all first: an address that tries many names does not fill the map
		w := l.wrong[g]
		if w == nil || now.Sub(w.since) >= wrongWindow {
			w = &guesses{since: now}
			l.wrong[g] = w
		}
		if w.n >= map[bool]int{true: wrongOfAddr, false: wrongOfName}[g == all] {
			return wrongWindow - now.Sub(w.since)
		}
	}
	l.wrong[all].n++
	l.wrong[one].n++
	return 0
}
