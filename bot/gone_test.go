package bot

import (
	"slices"
	"testing"
	"testing/synctest"

	"pushtrain/deploy"
)

// TestGoneHost: a host that never comes back keeps its stack STUCK until it is
// taken out of the configuration; then people's decision goes without it.
func TestGoneHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		play := func(lines ...string) {
			t.Helper()
			for _, line := range lines {
				if err := s.do(line); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
			}
		}
		prod := deploy.Target{Stack: "web", Stage: "prod"}
		play("alice> .join", "alice> .princess", "web/princess ok", "alice> .prod", "web/prod fails for good: host web2, flip: no answer")
		s.stop()
		if r, ok := s.bot.book.Open[2]; !ok || r.State != deploy.Stuck {
			t.Fatalf("rollout 2 is %+v, want STUCK", r)
		}
		fleet := s.cfg.Fleets[prod]
		fleet.Hosts = fleet.Hosts[:1]
		s.cfg.Fleets[prod] = fleet
		if err := s.store.Close(); err != nil {
			t.Fatal(err)
		}
		play("*** pushbot starts")
		play("alice> .rollback", "web/prod ok")
		s.stop()
		if kept := s.fleet.kept["web"]; !slices.Equal(kept, []string{"web0001"}) {
			t.Errorf("releases in use: %q", kept)
		}
		if r, ok := s.bot.book.Find(2); !ok || r.State != deploy.RolledBack || len(r.Hosts) != 1 {
			t.Errorf("rollout 2 is %s of %+v: %s", r.State, r.Hosts, r.Reason)
		}
	})
}
