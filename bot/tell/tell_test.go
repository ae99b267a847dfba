package tell

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pushtrain/bot"
	"pushtrain/deploy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// live is a rollout that went live.
var live = bot.Entry{At: time.Unix(1700000000, 0).UTC(), By: "alice", Rollout: 7, Stack: "web", Stage: "prod", Outcome: deploy.Done, New: bot.Ship{Release: "c0ffee"}}

// said is a log that may be read while it is written.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// quick are times for tests.
func quick() times { return times{pause: time.Millisecond, tries: 5, grace: 100 * time.Millisecond} }

// request is one that came to a webhook.
type request struct {
	id, signature string
	body          []byte
}

// hook is a webhook that answers the statuses in turn, and 204 from then on.
func hook(t *testing.T, statuses ...int) (Webhook, <-chan request) {
	came := make(chan request, 1000)
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("it is sent a %s of %s: %v", r.Method, r.Header.Get("Content-Type"), err)
		}
		came <- request{r.Header.Get(deliveryHeader), r.Header.Get(signatureHeader), body}
		mu.Lock()
		defer mu.Unlock()
		status := http.StatusNoContent
		if len(statuses) > 0 {
			status, statuses = statuses[0], statuses[1:]
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return Webhook{URL: s.URL + "/push?token=geheim", Secret: "s3cret"}, came
}

func take[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case x := <-from:
		return x
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// TestWebhook fails twice: the third try brings the same delivery, signed as others verify it.
func TestWebhook(t *testing.T) {
	h, came := hook(t, 503, 429)
	var errs said
	teller := start(Config{Webhooks: []Webhook{h}, Errors: log.New(&errs, "", 0)}, quick())
	teller.Tell(live)
	teller.Tell(bot.Entry{By: "bob", Text: "lunch"})
	first, second, third, next := take(t, came), take(t, came), take(t, came), take(t, came)
	teller.Close()
	if len(first.id) != 32 || first.id != second.id || second.id != third.id || next.id == first.id {
		t.Errorf("the deliveries are %s, %s, %s; the next entry's is %s", first.id, second.id, third.id, next.id)
	}
	var got bot.Entry
	if err := json.Unmarshal(third.body, &got); err != nil || got.Rollout != 7 || got.New != live.New || !bytes.Equal(first.body, third.body) {
		t.Errorf("the body is %s, %v", third.body, err)
	}
	if !strings.Contains(string(next.body), `"text":"lunch"`) {
		t.Errorf("the next body is %s", next.body)
	}
	openssl(t, third)
	if len(came) > 0 || errs.String() != "" {
		t.Errorf("%d more came; errors: %s", len(came), &errs)
	}
}

// openssl verifies a signature as the README says.
func openssl(t *testing.T, r request) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Log("openssl is missing: the signature is compared to our own alone")
		return
	}
	cmd := exec.Command("openssl", "dgst", "-sha256", "-hmac", "s3cret", "-r")
	cmd.Stdin = bytes.NewReader(r.body)
	out, err := cmd.Output()
	if hex, _, _ := strings.Cut(string(out), " "); err != nil || "sha256="+hex != r.signature {
		t.Errorf("the signature is %s, openssl says %s, %v", r.signature, out, err)
	}
}

func TestSign(t *testing.T) {
	// RFC 4231, test case 2.
	if got := Sign("Jefe", []byte("what do ya want for nothing?")); got != "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" {
		t.Error(got)
	}
}

// TestWebhookGivesUp: at once where it is told that there is no use, and after the
// last try. Neither the address's path nor its query is logged.
func TestWebhookGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		statuses []int
		tries    int
	}{
		"no":        {[]int{400}, 1},
		"elsewhere": {[]int{307}, 1},
		"never":     {[]int{500, 500, 500, 500, 500}, 5},
	} {
		h, came := hook(t, c.statuses...)
		var errs said
		teller := start(Config{Webhooks: []Webhook{h}, Errors: log.New(&errs, "", 0)}, quick())
		teller.Tell(live)
		teller.Tell(live)
		for range c.tries + 1 {
			take(t, came)
		}
		teller.Close()
		if len(came) > 0 || strings.Count(errs.String(), "has not been told of") != 1 || strings.Contains(errs.String(), "geheim") {
			t.Errorf("%s: %d more came; errors: %s", name, len(came), &errs)
		}
	}
}

// mute is a receiver that takes connections and never says anything.
func mute(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open = append(open, c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for _, c := range open {
			c.Close()
		}
	})
	return l.Addr().String()
}

// TestMute: a receiver that never answers holds up neither who tells, nor the other
// receivers, nor the end; what it was not told is logged.
func TestMute(t *testing.T) {
	h, came := hook(t)
	var errs said
	teller := start(Config{Webhooks: []Webhook{{URL: "http://" + mute(t) + "/", Secret: "x"}, h}, Errors: log.New(&errs, "", 0)}, quick())
	began := time.Now()
	for range 3 * waiting {
		teller.Tell(live)
		take(t, came)
	}
	told := time.Since(began)
	teller.Close()
	if all := time.Since(began); told > 5*time.Second || all-told > 5*time.Second {
		t.Errorf("telling took %s, the end %s", told, all-told)
	}
	if n := strings.Count(errs.String(), "entries wait for it already"); n < 2*waiting-1 {
		t.Errorf("%d entries were dropped", n)
	}
	if n := strings.Count(errs.String(), "has not been told of"); n != 3*waiting {
		t.Errorf("%d entries are said to be lost, want all %d", n, 3*waiting)
	}
}

// TestMarkers: Graphite and StatsD hear of what went live, and of nothing else.
func TestMarkers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	var errs said
	teller := start(Config{Graphite: l.Addr().String(), StatsD: udp.LocalAddr().String(), Errors: log.New(&errs, "", 0)}, quick())
	config := live
	config.Stack, config.Outcome = "config", deploy.Degraded
	stopped, one := live, live
	stopped.Outcome, one.Host = deploy.Aborted, "web1"
	for _, e := range []bot.Entry{stopped, one, {By: "bob", Text: "lunch"}, live, config} {
		teller.Tell(e)
	}
	var graphite, statsd []string
	for range 2 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		graphite = append(graphite, string(text))
		c.Close()
		buf := make([]byte, 1000)
		if err := udp.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, _, err := udp.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		statsd = append(statsd, string(buf[:n]))
	}
	teller.Close()
	if want := []string{"deploys.web.prod 1 1700000000\n", "deploys.config.prod 1 1700000000\n"}; !slices.Equal(graphite, want) {
		t.Errorf("Graphite heard %q, want %q", graphite, want)
	}
	if want := []string{"deploys.web.prod:1|c", "deploys.config.prod:1|c"}; !slices.Equal(statsd, want) {
		t.Errorf("StatsD heard %q, want %q", statsd, want)
	}
	if errs.String() != "" {
		t.Error(&errs)
	}
}
