package web

import (
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// get asks the page for something, as a browser on this machine does.
func get(t *testing.T, s http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", "http://127.0.0.1:8080"+path, nil)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestPages(t *testing.T) {
	src := newShown(t, busy(time.Now()))
	cfg := pageConfig()
	cfg.Errors = log.New(t.Output(), "", 0)
	src.say(t, 119, "2026-11-25T14:31:58Z PREPARE\n2026-11-25T14:31:59Z web1: STDERR: <b>bad</b>\nhalf a li")
	s := New(cfg, src)
	for path, wants := range map[string][]string{
		"/":             {"kseever", "01.</span> Save the princess with tests"},
		"/log":          {"1 to 50 of 119"},
		"/rollouts/119": {"&lt;b&gt;bad"},
		"/rollouts/118": {},
		"/stats":        {"Push stats"},
		"/metrics":      {"pushtrain_queue_riders"},
	} {
		w := get(t, s, path)
		if w.Code != 200 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		for _, want := range wants {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s has no %q", path, want)
			}
		}
	}
}
