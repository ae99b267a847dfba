package web

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pushtrain/bot"
	"pushtrain/deploy"
	"pushtrain/train"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shown is a Source that a test fills.
type shown struct {
	dir string // of run logs

	mu    sync.Mutex
	view  *bot.View
	who   map[chan struct{}]struct{}
	asked int // how often stats were asked for

	pressed []string
}

func newShown(t testing.TB, v *bot.View) *shown {
	return &shown{dir: t.TempDir(), view: v, who: map[chan struct{}]struct{}{}}
}

func (s *shown) View() *bot.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

func (s *shown) Watch() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.who[c] = struct{}{}
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.who, c)
	}
}

// set shows another state, and pokes.
func (s *shown) set(change func(v *bot.View)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := *s.view
	change(&v)
	s.view = &v
	for c := range s.who {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (s *shown) watching() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.who)
}

func (s *shown) path(id uint64) string { return filepath.Join(s.dir, fmt.Sprint(id)+".log") }

func (s *shown) RunLog(id uint64) (*os.File, error) { return os.Open(s.path(id)) }

func (s *shown) Stats(_ context.Context, days int, _ string) (train.Stats, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	st := train.Stats{Today: 6, PerDay: 6.2, Riders: 3.4, Hours: [24]int{9: 3, 11: 20, 15: 14}, Cap: 8, Open: 8 * time.Hour,
		Parts:   train.Parts{Wait: 9 * time.Minute, Build: time.Minute, Princess: 2 * time.Minute, Tests: 4 * time.Minute, Votes: 3 * time.Minute, Copy: time.Minute, Flip: 2 * time.Second, Watch: 5 * time.Minute},
		Stages:  []train.StageStats{{Stack: "config", Stage: "prod", Rollouts: train.Rollouts{All: 9, Done: 9}}, {Stack: "web", Stage: "princess", Rollouts: train.Rollouts{All: 80, Done: 62, Aborted: 18}}, {Stack: "web", Stage: "prod", Rollouts: train.Rollouts{All: 61, Done: 58, Aborted: 1, RolledBack: 2}}},
		Drivers: []train.Driver{{Nick: "kseever", Pushes: 21}, {Nick: "avleen", Pushes: 17}, {Nick: "premsree", Pushes: 9}, {Nick: "mike", Pushes: 4}},
		Lead:    train.Quantiles{N: 210, P50: 50 * time.Minute, P80: 3 * time.Hour, P95: 26 * time.Hour},
		Lanes:   []train.Lane{{Stack: "web", Median: 13 * time.Minute, Trains: 36, Seats: 288, Demand: 90, Minute: 24}},
		Wait:    train.Quantiles{N: 60, P50: 9 * time.Minute, P80: 21 * time.Minute},
		Live:    train.Quantiles{N: 60, P50: 22 * time.Minute, P80: 41 * time.Minute},
		Cycle:   train.Quantiles{N: 60, P50: 13 * time.Minute, P80: 19 * time.Minute}}
	st.To = s.view.At
	st.From = st.To.AddDate(0, 0, 1-days)
	st.Days = make([]int, days)
	for i := range st.Days {
		if d := st.From.AddDate(0, 0, i).Weekday(); d != time.Saturday && d != time.Sunday {
			st.Days[i] = 4 + i*7%5
		}
		st.Pushes += st.Days[i]
	}
	return st, nil
}

// say adds to a run log.
func (s *shown) say(t testing.TB, id uint64, text string) {
	t.Helper()
	f, err := os.OpenFile(s.path(id), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// serve opens a page at addr until stop is called, or the test ends.
func serve(t testing.TB, s *Server, addr string) (url string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the page ended with: %v", err)
		}
	})
	t.Cleanup(stop)
	return "http://" + l.Addr().String(), stop
}

func ship(c string) bot.Ship {
	for len(c) < 40 {
		c += c
	}
	return bot.Ship{Release: c[:12], Commit: c[:40]}
}

// busy is a busy afternoon: two lanes, a rollout that runs, one that failed, a hold.
func busy(now time.Time) *bot.View {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	rider := func(nick, mark, stack string, d time.Duration) bot.ViewRider {
		return bot.ViewRider{Nick: nick, Mark: mark, Stack: stack, Joined: ago(d)}
	}
	v := &bot.View{
		At: now, Version: "1.0", Records: 4711, Channel: "#push", Prefix: ".", Online: true,
		Topic: `HOLD (config) "db migration until 15:10" | <princess> kseever* + jameslee* + krunal | bateman + enorris + corey | dawa + nathan "search rewrite, ask me" | tristan (config)`,
		Seat:  "a seat now: 2 in front, about 26 min to 41 min",
		Holds: []bot.ViewHold{{Stack: "config", By: "avleen", Why: "db migration until 15:10", Since: ago(12 * time.Minute)}},
		Trains: []bot.ViewTrain{
			{ID: 31, Stacks: []string{"web"}, Stage: "princess", Running: "prod", Up: ago(14 * time.Minute), Moved: ago(time.Minute), Next: "prod",
				Ships:  []bot.ViewShip{{Stack: "web", Ship: ship("4726aa0d2270b1c"), Green: []string{"princess"}}},
				Riders: []bot.ViewRider{rider("kseever", "good", "web", 40*time.Minute), rider("jameslee", "good", "web", 38*time.Minute), rider("krunal", "good", "web", 31*time.Minute)}},
			{ID: 32, Stacks: []string{"web"}, Place: 1, Wait: "1 in front, about 13 min to 21 min", Next: "princess",
				Riders: []bot.ViewRider{rider("bateman", "", "web", 22*time.Minute), rider("enorris", "", "web", 20*time.Minute), {Nick: "corey", Stack: "web", Gone: true, Joined: ago(11 * time.Minute)}}},
			{ID: 33, Stacks: []string{"web"}, Place: 2, Wait: "2 in front, about 26 min to 41 min", Next: "princess", Message: "search rewrite, ask me",
				Riders: []bot.ViewRider{{Nick: "dawa", Stack: "web", AskMe: true, Joined: ago(9 * time.Minute)}, rider("nathan", "", "web", 2*time.Minute)}},
			{ID: 34, Stacks: []string{"config"}, Up: ago(4 * time.Minute), Next: "prod", Held: "config is held by avleen since 14:20 UTC (db migration until 15:10): .unhold config lifts it",
				Riders: []bot.ViewRider{rider("tristan", "uhoh", "config", 4*time.Minute)}},
		},
		Stacks: []bot.ViewStack{
			{Name: "web", From: "21949fc6de3ab", Commits: []bot.ViewCommit{{Hash: "4726aa0d2270b1c", By: "kseever", Subject: "cart: <b> round per line"}, {Hash: "90aa12f00d1", By: "Eve Online", Subject: "css"}}, NotAboard: []string{"Eve Online"}, Without: []string{"jameslee", "krunal"}, Stages: []bot.ViewStage{
				{Name: "princess", Tested: true, Hosts: []string{"princess1"}, Live: ship("4726aa0d2270b1c"), Before: ship("21949fc6de3ab"), Since: ago(6 * time.Minute), By: "kseever", Riders: []string{"kseever", "jameslee", "krunal"}, Rollout: 118},
				{Name: "prod", Hosts: []string{"web1", "web2", "web3", "web4", "web5", "web6"}, Live: ship("21949fc6de3ab"), Before: ship("0c8d1fe20aa"), Next: ship("4726aa0d2270b1c"), Since: ago(46 * time.Minute), By: "premsree", Riders: []string{"premsree", "mike"}, Rollout: 117,
					Watch:      &bot.ViewWatch{Flip: ago(46 * time.Minute), Lines: 212, Usual: 3, Away: 45, Lost: 91_300_000, New: []bot.ViewKind{{Text: "PHP Warning: undefined key <x> in lib/cart.php on line 9", From: "web2", Count: 14, Whose: []string{"mike"}, Under: []string{"#0 /srv/www/web/yin/lib/cart.php(9): <pay>()", "#1 {main}"}}, {Text: "upstream timed out", From: "web1", Count: 2}}, More: 3},
					Quarantine: []bot.ViewQuarantine{{Host: "web6", Why: "host web6, flip: no answer in 5 s", Since: ago(46 * time.Minute)}}},
			}},
			{Name: "config", Aliases: []string{"c"}, Stages: []bot.ViewStage{
				{Name: "prod", Hosts: []string{"web1", "web2", "web3"}, Live: ship("9bc01d2e44f"), Before: ship("77ea0b9d10c"), Since: ago(5 * time.Hour), By: "avleen", Rollout: 101},
			}},
		},
		Rollouts: []bot.ViewRollout{{
			ID: 119, Stack: "web", Stage: "prod", State: deploy.Preparing, By: "kseever", Train: 31, Old: ship("21949fc6de3ab"), New: ship("4726aa0d2270b1c"), Began: ago(38 * time.Second), Usual: 71, Percent: 52,
			Phases: []bot.Phase{{State: deploy.Fencing, At: ago(38 * time.Second)}, {State: deploy.Preparing, At: ago(36 * time.Second)}},
			Hosts:  []bot.ViewHost{{Name: "web1", Phase: "holds it", Percent: 100}, {Name: "web2", Phase: "verifying", Percent: 100}, {Name: "web3", Phase: "copying", Percent: 71}, {Name: "web4", Phase: "copying", Percent: 64}, {Name: "web5", Phase: "copying", Percent: 12}, {Name: "web6", Phase: "left out", Out: true, Error: "no answer in 5 s"}},
			Tail: []string{
				"2026-11-25T14:31:58Z PREPARE", "2026-11-25T14:32:01Z web1: prepare done", "2026-11-25T14:32:03Z web2: prepare done",
				"2026-11-25T14:32:03Z web4: STDERR: rsync: [receiver] slow disk <sda>, going on", "2026-11-25T14:32:04Z web1: verify done",
			},
		}},
	}
	people := []string{"kseever", "premsree", "avleen", "bateman", "corey"}
	for i := range 118 {
		id := uint64(i + 1)
		at := ago(time.Duration(118-i) * 47 * time.Minute)
		e := bot.Entry{At: at, By: people[i%5], Rollout: id, Stack: "web", Stage: []string{"princess", "prod"}[i%2], Outcome: deploy.Done, Old: ship(fmt.Sprintf("%07x", 90001*(i/2+1))), New: ship(fmt.Sprintf("%07x", 90001*(i/2+2))),
			Began: at.Add(-time.Duration(41+i%17) * time.Second), Hosts: 6, Train: i/2 + 1, Riders: []string{people[i%5], people[(i+2)%5]}}
		e.Phases = []bot.Phase{{State: deploy.Building, At: e.Began}, {State: deploy.Preparing, At: e.Began.Add(18 * time.Second)}, {State: deploy.Verifying, At: at.Add(-9 * time.Second)}, {State: deploy.Flipping, At: at.Add(-800 * time.Millisecond)}, {State: deploy.Done, At: at}}
		switch {
		case i%23 == 7:
			e.Outcome, e.Reason, e.Tail = deploy.Aborted, "test: make test failed, exit 2", []string{"FAIL checkout_test.go:41: total is <nil>"}
		case i%31 == 11:
			e.Outcome, e.Back, e.Why, e.By = deploy.Done, true, "500s at checkout", "pushbot"
		case i%41 == 20:
			e.Outcome, e.Reason = deploy.RolledBack, "check: ./smoke failed, exit 1"
		case i == 101:
			e.Stack, e.Stage, e.Riders, e.Train = "config", "prod", nil, 0
		}
		v.Log = append(v.Log, e)
		if i == 110 {
			v.Log = append(v.Log, bot.Entry{At: at.Add(time.Minute), By: "avleen", Text: `search cluster "b" | restarted by hand`})
		}
	}
	return v
}

// pageConfig has links, titles and diffs.
func pageConfig() Config {
	return Config{Stacks: []Stack{{Name: "web", DiffURL: "https://git.example.net/{stack}/compare/{old}...{new}", Stages: []Stage{
		{Name: "princess", Links: []Link{{"Princess log watcher", "https://logs.example.net/princess"}}},
		{Name: "prod", Links: []Link{{"Log watcher", "https://logs.example.net/"}, {"What to watch after a push", "https://wiki.example.net/watch"}, {"Forums", "https://forums.example.net/"}}},
	}}}}
}
