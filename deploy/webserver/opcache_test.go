package webserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// scripts is how many scripts the release of TestWarmCache has, changed how many
// of them a release changes: 1 %.
const scripts, changed = 500, 5

// warmth is what status.php says of the opcode cache.
type warmth struct {
	Cached   []string // the scripts below parts, as side/number
	Misses   int      // compilations since the server was started
	Hits     int
	Restarts int
}

const statusPage = `<?php
$s = opcache_get_status(true);
$cached = [];
foreach ($s['scripts'] as $path => $script) {
	if (preg_match('#/(yin|yang)/scripts/(\d+)\.php$#', $path, $m)) {
		$cached[] = "$m[1]/$m[2]";
	}
}
$t = $s['opcache_statistics'];
echo json_encode(['Cached' => $cached, 'Misses' => $t['misses'], 'Hits' => $t['hits'],
	'Restarts' => $t['oom_restarts'] + $t['hash_restarts'] + $t['manual_restarts']]);
`

const allPage = `<?php
for ($i = 0; $i < %d; $i++) {
	include __DIR__."/scripts/$i.php";
}
`

// TestWarmCache: when a side comes live again, what it holds is compiled no more,
// but for the scripts that have changed there, over two releases of 1 % each. Nothing restarts or
// resets the cache.
func TestWarmCache(t *testing.T) {
	for _, u := range setups {
		if !u.php() || u.reloads() || *soakDir == "" && !(u.sampled() && u.fpm) {
			continue
		}
		t.Run(slug(u.name), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, time.Second, false)
			write(t, s.repo()+"/status.php", statusPage)
			write(t, s.repo()+"/all.php", fmt.Sprintf(allPage, scripts))
			for i := range scripts {
				write(t, fmt.Sprintf("%s/scripts/%d.php", s.repo(), i), "<?php // r0001\n")
			}
			s.ship()
			server := u.start(t, s, knobs{slow: 24 * time.Millisecond})
			server.warm()
			for release := range 2 { // the second comes to the side that the first release was on
				for i := range changed {
					write(t, fmt.Sprintf("%s/scripts/%d.php", s.repo(), release*100+i), fmt.Sprintf("<?php // r%04d\n", release+2))
				}
				if release == 1 {
					server.get("status.php") // so that it is not a miss below
				}
				before := server.status()
				s.ship()
				if release == 0 {
					server.warm()
					continue
				}
				live, _ := s.live()
				kept := server.status().on(live)
				middle := server.status()
				server.get("all.php")
				after := server.status()
				misses, hits := after.Misses-middle.Misses, after.Hits-middle.Hits
				t.Logf("%s: %d of %d scripts changed on the side; %d still cached when it came live, %d compiled anew, %d hits, %d restarts",
					u.name, 2*changed, scripts, kept, misses, hits, after.Restarts-before.Restarts)
				if kept != scripts || misses != 2*changed || hits < scripts-2*changed || after.Restarts != 0 {
					t.Error("the cache did not stay warm")
				}
			}
		})
	}
}

// on counts what is cached of a side.
func (w warmth) on(side string) (n int) {
	for _, c := range w.Cached {
		if strings.HasPrefix(c, side+"/") {
			n++
		}
	}
	return n
}

func (r *started) get(page string) []byte {
	r.t.Helper()
	res, err := http.Get("http://" + r.addr + "/" + page)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: status %d, %v: %s", page, res.StatusCode, err, body)
	}
	return body
}

func (r *started) status() (w warmth) {
	r.t.Helper()
	if err := json.Unmarshal(r.get("status.php"), &w); err != nil {
		r.t.Fatal(err)
	}
	return w
}

// warm asks for all scripts until all are cached, and a request compiles none:
// PHP caches no file that was written less than two seconds ago.
func (r *started) warm() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		before := r.status()
		r.get("all.php")
		if now := r.status(); now.Misses == before.Misses {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			r.t.Fatalf("the cache does not get warm: %+v", before)
		}
	}
}
