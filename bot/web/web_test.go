package web

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"pushtrain/bot"
	"pushtrain/deploy"
)

// site is a page of a busy afternoon.
func site(t *testing.T) (*Server, *shown) {
	src := newShown(t, busy(time.Now()))
	src.say(t, 119, "2026-11-25T14:31:58Z PREPARE\n2026-11-25T14:31:59Z web1: STDERR: <b>bad</b>\nhalf a li")
	cfg := pageConfig()
	cfg.Errors = log.New(t.Output(), "", 0)
	return New(cfg, src), src
}

// get asks the page for something, as a browser on this machine does.
func get(s http.Handler, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "http://127.0.0.1:8080"+path, nil)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

var blanks = regexp.MustCompile(`(<[^>]*>|\s)+`)

// words is a page without its tags.
func words(w *httptest.ResponseRecorder) string {
	return blanks.ReplaceAllString(w.Body.String(), " ")
}

func TestPages(t *testing.T) {
	s, _ := site(t)
	for path, wants := range map[string][]string{
		"/": {" config is held by avleen for 12 min : db migration until 15:10 ", " &lt;princess&gt; kseever* + jameslee* + krunal | bateman ", " 01. Save the princess with tests 4726aa0d22 ",
			" 02. Deploy to production 21949fc6de → will be 4726aa0d22 diff ", " premsree and mike on prod for 46 min , since ", " web/prod: copying ", " web3 71 % copying 71 % ",
			" kseever is good jameslee is good ", " tristan says uh-oh ", " 1 in front, about 13 min to 21 min ", " 2 commits; not aboard: Eve Online ; aboard without one: jameslee and krunal diff ", " 212 lines, but for 45 s in which the bot was away ", " 90aa12f Eve Online css ", " 14× PHP Warning: undefined key &lt;x&gt; in lib/cart.php on line 9 web2 mike 2 lines below it #0 /srv/www/web/yin/lib/cart.php(9): &lt;pay&gt;() #1 {main} ", " and 3 lines of other kinds and 91.3 MB that came too fast to be read ", " Log watcher What to watch after a push Forums ", " avleen says: search cluster &#34;b&#34; | restarted by hand "},
		"/log":                    {" 1 to 50 of 119 older → ", " diff “500s at checkout” pushbot 4"},
		"/log?page=3":             {" ← newer 101 to 119 of 119 "},
		"/log?who=COREY":          {" of 47 "},
		"/log?stage=prod&page=99": {" ← newer "},
		"/log?stack=nothing":      {" Nothing here by these words. "},
		"/rollouts/119":           {" web/prod: copying ", " 14:31:59 web1: STDERR: &lt;b&gt;bad&lt;/b&gt; "},
		"/rollouts/118":           {" web/prod live ", " No log is kept any more. "},
		"/rollouts/100":           {" stopped before the flip ", " test: make test failed, exit 2 FAIL checkout_test.go:41: total is &lt;nil&gt; "},
		"/rollouts/105":           {" went back ", " · by pushbot for "},
		"/stats?days=7&stack=web": {" Push stats ", " p50 p80 p95 .join to “You’re up” ", " commit to live 50 min 3 h 26 h ", " web/prod 61 95 % 2 % 3 % ", " kseever 21 "},
	} {
		w := get(s, path)
		if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		for _, want := range wants {
			if !strings.Contains(words(w), want) {
				t.Errorf("%s has no %q:\n%s", path, want, words(w))
			}
		}
		if strings.Contains(w.Body.String(), "half a li") || strings.Contains(w.Body.String(), " style=") || strings.Contains(w.Body.String(), "<script>") {
			t.Errorf("%s has half a line, or what its policy forbids", path)
		}
		for _, landmark := range []string{"<header", "<nav aria-label", "<main", "<footer", "<h1", `lang="en"`} {
			if !strings.Contains(w.Body.String(), landmark) {
				t.Errorf("%s has no %s", path, landmark)
			}
		}
	}
	if w := get(s, "/rollouts/119.log"); w.Code != 200 || !strings.HasSuffix(w.Body.String(), "half a li") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("the log as text: %d %s", w.Code, w.Body)
	}
	for _, path := range []string{"/nothing", "/rollouts/120", "/rollouts/0", "/rollouts/x", "/rollouts/0119", "/rollouts/118.log", "/rollouts/119.exe", "/rollouts/..%2f..%2fetc%2fpasswd", "/static/page.go", "/rollouts/120/events"} {
		if w := get(s, path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestHours: the page says that it is outside of them, and why a train goes all the same.
func TestHours(t *testing.T) {
	now := time.Now()
	src := newShown(t, busy(now))
	src.set(func(v *bot.View) {
		v.Hours, v.Shut, v.Banner = "outside of the hours: trains depart again Mon 09:00 CET", true, "code slush"
		v.Trains[0].Message, v.Trains[2].Hotfix = "hotfix: payments are down", &bot.ViewHotfix{Why: "search", By: "dawa", Since: now}
		v.Trains[0].Hotfix = &bot.ViewHotfix{Why: "payments are down", By: "kseever", As: "account", Since: now.Add(-3 * time.Minute)}
	})
	s := New(pageConfig(), src)
	for _, want := range []string{" outside of the hours: trains depart again Mon 09:00 CET ", " hotfix by kseever for 3 min : payments are down "} {
		if got := words(get(s, "/")); !strings.Contains(got, want) || strings.Contains(got, "“hotfix: payments are down”") || !strings.Contains(got, "“search rewrite, ask me”") {
			t.Errorf("the page has no %q:\n%s", want, got)
		}
	}
	if got := get(s, "/index.json").Body.String(); !strings.Contains(got, `"shut": true`) || !strings.Contains(got, `"why": "payments are down"`) {
		t.Errorf("index.json: %s", got)
	}
}

// TestJSON: each page has the same beside it for programs.
func TestJSON(t *testing.T) {
	s, _ := site(t)
	for path, wants := range map[string]string{
		"/index.json":                "topic online trains stacks rollouts holds",
		"/log.json?who=avleen":       "entries all page",
		"/rollouts/119.json":         "running log rollout",
		"/rollouts/118.json":         "ended log rollout",
		"/stats.json?days=7":         "stats days",
		"/log.json?who=nobody&day=x": "entries",
	} {
		w := get(s, path)
		var v map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Code != 200 {
			t.Errorf("%s: %d %v", path, w.Code, err)
		}
		for _, key := range strings.Fields(wants) {
			if v[key] == nil {
				t.Errorf("%s has no %s: %s", path, key, w.Body)
			}
		}
	}
}

// TestReadOnly: nothing but GET and HEAD is answered, and GET shows only.
func TestReadOnly(t *testing.T) {
	s, _ := site(t)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"} {
		for _, path := range []string{"/", "/log", "/events", "/static/live.js", "/nothing"} {
			r := httptest.NewRequest(method, "http://localhost"+path, nil)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
	for _, path := range []string{"/", "/events", "/rollouts/119", "/rollouts/119/events"} { // it ends, of streams too
		r := httptest.NewRequest("HEAD", "http://localhost"+path, nil)
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != 200 {
			t.Errorf("HEAD %s: %d", path, w.Code)
		}
	}
}

// TestNames: a page elsewhere that lets its name lead here learns nothing.
func TestNames(t *testing.T) {
	src := newShown(t, busy(time.Now()))
	s := New(Config{Names: []string{"push.example.net"}}, src)
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost": 200, "LOCALHOST:80": 200, "[::1]:8080": 200, "127.3.2.1": 200, "push.example.net": 200, "Push.Example.Net:443": 200, "localhost.": 200,
		"evil.example.org": 421, "evil.example.org:8080": 421, "10.0.0.1": 421, "0.0.0.0": 421, "": 421, "localhost.evil.example.org": 421, "127.0.0.1.evil.example.org": 421, "push.example.net.evil.org": 421,
	} {
		r := httptest.NewRequest("GET", "http://x/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != want || want == 421 && strings.Contains(w.Body.String(), "kseever") {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
		for name, value := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
			if w.Header().Get(name) != value {
				t.Errorf("%s is %q", name, w.Header().Get(name))
			}
		}
		if p := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'; ") || strings.Contains(p, "unsafe") {
			t.Errorf("the policy is %q", p)
		}
	}
}

// TestHostile: whatever people and hosts write is text.
func TestHostile(t *testing.T) {
	const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`
	now := time.Now()
	src := newShown(t, busy(now))
	src.say(t, 119, "2026-11-25T14:31:58Z "+evil+"\n"+evil+"\n2026-11-25T14:31:58Z web1: STDERR: "+evil+"\n")
	src.set(func(v *bot.View) {
		v.Hours, v.Trains[2].Hotfix = evil, &bot.ViewHotfix{Why: evil, By: evil, As: evil}
		v.Topic, v.Banner, v.Message, v.Seat, v.Channel, v.Version = evil, evil, evil, evil, "#"+evil, evil
		v.Holds = []bot.ViewHold{{Stack: evil, By: evil, Why: evil}}
		v.Trains[1].Riders[0] = bot.ViewRider{Nick: evil, Stack: evil, Words: []string{evil}, Twin: evil}
		v.Trains[1].Stage, v.Trains[1].Message, v.Trains[1].Held, v.Trains[1].Wait = evil, evil, evil, evil
		r := &v.Rollouts[0]
		r.By, r.Reason, r.Why, r.Ref, r.Tail = evil, evil, evil, evil, []string{evil, "2026-11-25T14:31:58Z " + evil}
		r.Hosts[0].Name, r.Hosts[0].Error = evil, evil
		e := v.Log[100]
		e.Rollout, e.By, e.Reason, e.Why, e.Tail, e.Riders, e.Stack, e.At = 500, evil, evil, evil, []string{evil}, []string{evil}, evil, now
		v.Log = append(v.Log, e, bot.Entry{At: now, By: evil, Text: evil + "\n|x"})
	})
	s := New(pageConfig(), src)
	for _, path := range []string{"/", "/log", "/rollouts/119", "/rollouts/500", "/stats", "/log?who=" + strings.NewReplacer("<", "%3C", " ", "+", `"`, "%22", ">", "%3E").Replace(evil)} {
		w := get(s, path)
		if body := w.Body.String(); w.Code != 200 || strings.Contains(body, "<script>") || strings.Contains(body, "<img") {
			t.Errorf("%s lets it through: %d", path, w.Code)
		}
	}
	n, err := s.draw()
	if err != nil {
		t.Fatal(err)
	}
	for name, html := range n.Parts {
		if strings.Contains(html, "<script>") || strings.Contains(html, "<img") {
			t.Errorf("the part %s lets it through", name)
		}
	}
	for line := range strings.Lines(get(s, "/log.txt").Body.String()) {
		if strings.Count(line, "|") != 5 {
			t.Errorf("log.txt has the line %q", line)
		}
	}
	for line := range strings.Lines(get(s, "/metrics").Body.String()) {
		if !regexp.MustCompile(`^(# (HELP|TYPE) .*|[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)+\})? [0-9.e+-]+)\n$`).MatchString(line) {
			t.Errorf("metrics has the line %q", line)
		}
	}
}

// TestLogText holds the export to Deployinator's format, by the patterns with which
// Deployinator itself read it back.
func TestLogText(t *testing.T) {
	s, src := site(t)
	lines := strings.Split(strings.TrimSpace(get(s, "/log.txt").Body.String()), "\n")
	live, said := 0, 0
	for _, line := range lines {
		f := strings.Split(line, "|")
		if len(f) != 6 {
			t.Fatalf("%d fields: %q", len(f), line)
		}
		if _, err := time.Parse(time.DateTime, f[0]); err != nil {
			t.Error(err)
		}
		if f[1] == "GLOBAL" {
			said++
			if f[3] != "search cluster &quot;b&quot; / restarted by hand" || f[4] != "GLOBAL" || f[5] != "" {
				t.Errorf("what was said is %q", line)
			}
			continue
		}
		live++
		old, now := regexp.MustCompile(`old[\s:]*(\w+)`).FindStringSubmatch(f[3]), regexp.MustCompile(`new[\s:]*(\w+)`).FindStringSubmatch(f[3])
		if old == nil || now == nil || old[1] == now[1] || f[1] != "PRINCESS" && f[1] != "PROD" || get(s, "/rollouts/"+strings.TrimSuffix(f[5], ".log")).Code != 200 {
			t.Errorf("a deploy is %q", line)
		}
	}
	want := 0
	for _, e := range src.View().Log {
		if e.Outcome == deploy.Done {
			want++
		}
	}
	if live != want || said != 1 || lines[0] < lines[len(lines)-1] {
		t.Errorf("%d went live, want %d; %d said; from %s to %s", live, want, said, lines[0], lines[len(lines)-1])
	}
}

func TestDeploys(t *testing.T) {
	s, src := site(t)
	var all []annotation
	ask := func(query string) {
		t.Helper()
		w := get(s, "/deploys.json"+query)
		if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %v %s", query, w.Code, err, w.Body)
		}
	}
	ask("")
	if n := len(all); n < 20 || n > 31 {
		t.Errorf("%d in a day", n)
	}
	from, to := src.View().At.Add(-5*time.Hour), src.View().At.Add(-2*time.Hour)
	for _, q := range []string{fmt.Sprintf("?from=%d&to=%d", from.Unix(), to.Unix()), fmt.Sprintf("?from=%d&to=%d", from.UnixMilli(), to.UnixMilli()), "?from=" + from.UTC().Format(time.RFC3339) + "&to=" + to.UTC().Format(time.RFC3339)} {
		ask(q)
		if len(all) != 4 || all[0].Time < from.UnixMilli() || all[3].Time > to.UnixMilli() || all[0].Stack != "web" || all[0].Who == "" || all[0].URL == "" || all[0].New == "" {
			t.Errorf("%s: %+v", q, all)
		}
	}
	ask("?stage=prod&from=0")
	for _, a := range all {
		if a.Stage != "prod" {
			t.Errorf("asked for prod: %+v", a)
		}
	}
	for _, q := range []string{"?from=yesterday", "?to=x"} {
		if w := get(s, "/deploys.json"+q); w.Code != 400 {
			t.Errorf("%s: %d", q, w.Code)
		}
	}
}

// TestMetrics looks for values that others of the fixture's make wrong.
func TestMetrics(t *testing.T) {
	s, _ := site(t)
	body := get(s, "/metrics").Body.String()
	for _, want := range []string{
		`pushtrain_build_info{version="1.0"} 1`, "pushtrain_irc_online 1", "pushtrain_journal_records 4711",
		`pushtrain_queue_trains{stack="web"} 3`, `pushtrain_queue_riders{stack="web"} 8`, `pushtrain_queue_riders{stack="config"} 1`, `pushtrain_held{stack="config"} 1`, `pushtrain_held{stack="web"} 0`,
		`pushtrain_quarantined_hosts{stack="web",stage="prod"} 1`, `pushtrain_rollout_running_seconds{stack="web",stage="prod",state="PREPARE"} 38`, `pushtrain_rollouts_total{stack="config",stage="prod",outcome="done"} 1`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s in:\n%s", want, body)
		}
	}
}

// TestStatsAreAskedForOnce: however many look at the stats, the bot is asked once in a while.
func TestStatsAreAskedForOnce(t *testing.T) {
	s, src := site(t)
	for range 20 {
		get(s, "/stats")
	}
	get(s, "/stats?days=7")
	if src.asked != 2 {
		t.Errorf("asked %d times", src.asked)
	}
}

// BenchmarkPages draws pages of a deploy log as long as it can be.
func BenchmarkPages(b *testing.B) {
	v := busy(time.Now())
	for len(v.Log) < 50_000 {
		v.Log = append(v.Log, v.Log[:min(len(v.Log), 50_000-len(v.Log))]...)
	}
	s := New(pageConfig(), newShown(b, v))
	for _, path := range []string{"/", "/log", "/log?who=corey&page=7", "/metrics"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				if w := get(s, path); w.Code != 200 {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
