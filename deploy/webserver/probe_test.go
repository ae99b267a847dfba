package webserver_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// answer is what one request got.
type answer struct {
	began, ended time.Time
	slow         bool
	release      string // "" = mixed, or an error
	mixed        bool
	err          string
}

// probe asks for pages from many clients at once until it is stopped.
type probe struct {
	client *http.Client
	stop   chan struct{}
	all    sync.WaitGroup

	mu      sync.Mutex
	answers []answer // guarded by mu
}

// clients are how many ask for quick pages, and how many for slow ones.
type clients struct{ fast, slow int }

func startProbe(t testing.TB, s *started, n clients) *probe {
	p := &probe{stop: make(chan struct{}), client: &http.Client{
		Timeout:   patience,
		Transport: &http.Transport{MaxIdleConnsPerHost: n.fast + n.slow},
	}}
	for i := range n.fast + n.slow {
		slow := i >= n.fast
		urls := s.fast
		if slow {
			urls = s.slow
		}
		p.all.Go(func() { p.ask(urls, i, slow) })
	}
	t.Cleanup(func() { p.end() })
	return p
}

// ask asks for one url after the other, beginning with number i.
func (p *probe) ask(urls []string, i int, slow bool) {
	for ; ; i++ {
		select {
		case <-p.stop:
			return
		default:
		}
		a := answer{began: time.Now(), slow: slow}
		a.read(p.client, urls[i%len(urls)])
		a.ended = time.Now()
		p.mu.Lock()
		p.answers = append(p.answers, a)
		p.mu.Unlock()
	}
}

// end stops the clients and returns all that they got.
func (p *probe) end() []answer {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	p.all.Wait()
	p.client.CloseIdleConnections()
	return p.answers
}

// slowSince counts the slow answers that began after at.
func (p *probe) slowSince(at time.Time) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range slices.Backward(p.answers) {
		if a.slow && a.began.After(at) {
			n++
		}
		if a.ended.Before(at) {
			break
		}
	}
	return n
}

// read asks for the page and reads which release it is of.
func (a *answer) read(client *http.Client, url string) {
	res, err := client.Get(url)
	if err != nil {
		a.err = err.Error()
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	switch words := strings.Fields(string(body)); {
	case err != nil:
		a.err = err.Error()
	case res.StatusCode != http.StatusOK:
		a.err = fmt.Sprintf("status %d", res.StatusCode)
	case len(words) != includes+1 || slices.ContainsFunc(words, func(w string) bool { return len(w) != 5 || w[0] != 'r' }):
		a.err = fmt.Sprintf("no page of %d parts: %.300q", includes+1, body)
	case slices.Min(words) != slices.Max(words):
		a.mixed = true
	default:
		a.release = words[0]
	}
}

// Row is what one run counted.
type Row struct {
	Server  string
	Way     string
	Drain   time.Duration
	Slow    time.Duration // that a slow request takes at least
	Longest time.Duration // that one took
	Flips   int
	Answers int
	Slows   int // of the answers, the slow ones
	Errors  int
	Mixed   int
	Stale   int    // of a release that was not live at any moment of the request
	First   string // error, "" = none
}

// tickSlack is how far the time of a flip can be off: the file system's clock goes in steps.
const tickSlack = 20 * time.Millisecond

// count sorts the answers by what was live when. Without flips none is stale.
func (r *Row) count(answers []answer, flips []flip) {
	r.Answers = len(answers)
	for _, a := range answers {
		r.Longest = max(r.Longest, a.ended.Sub(a.began).Round(time.Millisecond))
		if a.slow {
			r.Slows++
		}
		switch {
		case a.err != "":
			r.Errors++
			if r.First == "" {
				r.First = a.err
			}
		case a.mixed:
			r.Mixed++
		case len(flips) > 0 && !wasLive(a, flips):
			r.Stale++
		}
	}
}

// wasLive reports whether the answer's release was live while it was made.
func wasLive(a answer, flips []flip) bool {
	for i, f := range flips {
		begun := f.at.Add(-tickSlack).Before(a.ended)
		over := i+1 < len(flips) && flips[i+1].at.Add(tickSlack).Before(a.began)
		if begun && !over && f.release == a.release {
			return true
		}
	}
	return false
}

func (r Row) String() string {
	return fmt.Sprintf("| %s | %s | %s | %d | %d | %d, %.1f to %.1f s | %d | %d | %d |",
		r.Server, r.Way, r.Drain, r.Flips, r.Answers, r.Slows, r.Slow.Seconds(), r.Longest.Seconds(), r.Errors, r.Mixed, r.Stale)
}

// tableHead is the head of a table of Rows.
const tableHead = "| server | way | drain | flips | answers | slow ones | errors | mixed | stale |\n|---|---|---|---|---|---|---|---|---|"

// TestWasLive: what counts as stale.
func TestWasLive(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	flips := []flip{{at(0), "a"}, {at(1000), "b"}, {at(2000), "a"}}
	for _, c := range []struct {
		began, ended int
		release      string
		want         bool
	}{
		{100, 200, "a", true}, {100, 200, "b", false}, {900, 1100, "a", true}, {900, 1100, "b", true},
		{1100, 1200, "a", false}, {1015, 1100, "a", true}, {1900, 1985, "a", true}, {1900, 1950, "a", false}, {2500, 2600, "a", true},
	} {
		if got := wasLive(answer{began: at(c.began), ended: at(c.ended), release: c.release}, flips); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
