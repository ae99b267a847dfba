package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"pushtrain/bot"
	"pushtrain/deploy"
)

// patience is how long a test waits for what has to come at once.
const patience = 10 * time.Second

// event is one of a stream.
type event struct{ name, id, data string }

// follower reads a stream.
type follower struct {
	t      *testing.T
	status int
	events chan event // closed when the stream ends
	stop   func()
}

func follow(t *testing.T, url, last string) *follower {
	t.Helper()
	return followAs(t, url, last, func(*http.Request) {})
}

// followAs is follow by somebody, whom as makes the request say.
func followAs(t *testing.T, url, last string, as func(r *http.Request)) *follower {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 3*patience)
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	as(r)
	transport := &http.Transport{}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t: t, status: res.StatusCode, events: make(chan event, 1000), stop: stop}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(f.events)
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 16<<20)
		var e event
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			case "":
				if e.name != "" {
					f.events <- e
				}
				e = event{}
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		transport.CloseIdleConnections()
	})
	return f
}

// next waits for an event.
func (f *follower) next() event {
	f.t.Helper()
	select {
	case e, ok := <-f.events:
		if !ok {
			f.t.Fatal("the stream has ended")
		}
		return e
	case <-time.After(patience):
		f.t.Fatal("nothing came")
	}
	return event{}
}

// over waits for the end of the stream.
func (f *follower) over() {
	f.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case _, ok := <-f.events:
			if !ok {
				return
			}
		case <-deadline:
			f.t.Fatal("the stream goes on")
		}
	}
}

func newsOf(t *testing.T, e event) news {
	t.Helper()
	var n news
	if err := json.Unmarshal([]byte(e.data), &n); err != nil || e.name != "now" {
		t.Fatalf("%+v: %v", e, err)
	}
	return n
}

// TestStream: first comes all, then what has changed alone; the end of the bot ends it.
func TestStream(t *testing.T) {
	s, src := site(t)
	url, stop := serve(t, s, "127.0.0.1:0")
	f := follow(t, url+"/events", "")
	n := newsOf(t, f.next())
	if len(n.Parts) != len(parts) || n.Edition == "" || !n.Online || !strings.Contains(n.Spoken, "web prod: copying") {
		t.Errorf("the first event is %+v", n)
	}
	src.set(func(v *bot.View) { v.Message = "slush from 16:00" })
	n = newsOf(t, f.next())
	if len(n.Parts) != 1 || !strings.Contains(n.Parts["hold"], "slush from 16:00") {
		t.Errorf("the second event has the parts %v", n.Parts)
	}
	at := time.Now()
	stop()
	f.over()
	if took := time.Since(at); took > closeTime/2 {
		t.Errorf("the end took %v: streams were waited for", took)
	}
	if src.watching() != 0 {
		t.Error("somebody still watches")
	}
}

// TestStreamsEndWithTheirRules: who may read is asked again when the page has another configuration.
func TestStreamsEndWithTheirRules(t *testing.T) {
	s, _ := site(t)
	url, _ := serve(t, s, "127.0.0.1:0")
	for range 2 {
		front, run := follow(t, url+"/events", ""), follow(t, url+"/rollouts/119/events", "")
		front.next()
		run.next()
		s.Replace(Config{Live: 2})
		front.over()
		run.over()
	}
	s.Replace(Config{Auth: Auth{Header: "X-Remote-User"}})
	if f := follow(t, url+"/events", ""); f.status == 200 {
		t.Error("whoever was turned away can follow")
	}
}

// TestStreamsAreFew: one too many is told to come back, and there is a place again
// when one has gone.
func TestStreamsAreFew(t *testing.T) {
	src := newShown(t, busy(time.Now()))
	s := New(Config{Live: 2}, src)
	url, _ := serve(t, s, "127.0.0.1:0")
	one, two := follow(t, url+"/events", ""), follow(t, url+"/rollouts/119/events", "")
	one.next()
	two.next()
	if f := follow(t, url+"/events", ""); f.status != 503 {
		t.Errorf("the third one gets %d", f.status)
	}
	if w := get(s, "/"); w.Code != 200 {
		t.Errorf("the page can't be read: %d", w.Code)
	}
	one.stop()
	one.over()
	deadline := time.Now().Add(patience)
	for len(s.places) == 2 && time.Now().Before(deadline) {
		src.set(func(*bot.View) {}) // it finds out when it sends
	}
	f := follow(t, url+"/events", "")
	if f.status != 200 {
		t.Fatalf("the next one gets %d", f.status)
	}
	f.next()
}

// TestSlowViewer: one who reads nothing costs the others nothing, and the one who
// publishes nothing.
func TestSlowViewer(t *testing.T) {
	s, src := site(t)
	url, _ := serve(t, s, "127.0.0.1:0")
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	f := follow(t, url+"/events", "")
	f.next()
	big := strings.Repeat("x", 1<<20)
	for i := range 40 { // more than the sockets' buffers hold
		src.set(func(v *bot.View) { v.Message = fmt.Sprint(i, big) })
	}
	src.set(func(v *bot.View) { v.Message = "the last one" })
	for {
		if n := newsOf(t, f.next()); strings.Contains(n.Parts["hold"], "the last one") {
			break
		}
	}
}

// TestRunLogIsFollowed: all that was said comes, then what is said, whole lines
// alone; who comes back goes on where they were; the end of the rollout ends it.
func TestRunLogIsFollowed(t *testing.T) {
	s, src := site(t)
	url, _ := serve(t, s, "127.0.0.1:0")
	f := follow(t, url+"/rollouts/119/events", "")
	first := f.next()
	if first.name != "log" || !strings.Contains(first.data, "PREPARE") || !strings.Contains(first.data, `\u0026lt;b\u0026gt;bad`) || strings.Contains(first.data, "half") {
		t.Fatalf("the log so far is %+v", first)
	}
	newsOf(t, f.next())
	src.say(t, 119, "ne\n2026-11-25T14:32:00Z more\n2026-11")
	src.set(func(*bot.View) {})
	second := f.next()
	if second.name != "log" || !strings.Contains(second.data, "half a line") || !strings.Contains(second.data, "more") || strings.Contains(second.data, "2026-11") {
		t.Errorf("what was said is %+v", second)
	}
	for _, again := range []*follower{follow(t, url+"/rollouts/119/events", first.id), follow(t, url+"/rollouts/119/events?from="+first.id, "")} {
		if e := again.next(); e.data != second.data || e.id != second.id {
			t.Errorf("who comes back gets %+v, want %+v", e, second)
		}
	}
	src.say(t, 119, "-25T14:32:01Z DONE \n")
	src.set(func(v *bot.View) {
		v.Rollouts = nil
		e := v.Log[len(v.Log)-1]
		e.Rollout, e.Outcome = 119, deploy.Done
		v.Log = append(v.Log, e)
	})
	if e := f.next(); e.name != "log" || !strings.Contains(e.data, "DONE") {
		t.Errorf("its end is %+v", e)
	}
	if n := newsOf(t, f.next()); !strings.Contains(n.Parts["state"], "live") {
		t.Errorf("its outcome is %+v", n)
	}
	if e := f.next(); e.name != "end" {
		t.Errorf("the last event is %+v", e)
	}
	f.over()
	late := follow(t, url+"/rollouts/119/events", "")
	if e := late.next(); e.name != "log" || strings.Count(e.data, "half a line") != 1 || !strings.Contains(e.data, "DONE") {
		t.Errorf("who comes late gets %+v", e)
	}
	late.over()
}

// TestLongRunLog: a log of many pieces comes whole, on the page and in the stream.
func TestLongRunLog(t *testing.T) {
	s, src := site(t)
	var b strings.Builder
	const lines = 30_000
	for i := range lines {
		fmt.Fprintf(&b, "2026-11-25T14:31:58Z web1: line %d of many\n", i)
	}
	src.say(t, 119, "\n"+b.String())
	body := get(s, "/rollouts/119").Body.String()
	if n := strings.Count(body, " of many"); n != lines || !strings.Contains(body, `data-from="`) {
		t.Errorf("the page has %d lines", n)
	}
	url, _ := serve(t, s, "127.0.0.1:0")
	f := follow(t, url+"/rollouts/119/events", "")
	n := 0
	for n < lines {
		e := f.next()
		if e.name != "log" {
			t.Fatalf("after %d lines comes %s", n, e.name)
		}
		n += strings.Count(e.data, " of many")
	}
	if n != lines {
		t.Errorf("the stream has %d lines", n)
	}
}
