package fleet_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/fleet/fleettest"
	"pushtrain/deploy/release"
)

// TestTwoStacks ships two stacks to the same machines at once, time and again:
// neither waits for the other, nor touches what is its.
func TestTwoStacks(t *testing.T) {
	h := fleettest.Start(t, 2)
	stage := hosts(h.Names...)
	stage.Name = "prod"
	cfg := fleet.Config{Dir: t.TempDir(), SSHConfig: h.Config}
	repos := map[string]*repo{"web": newRepo(t), "config": newRepo(t)}
	for name, repo := range repos {
		cfg.Stacks = append(cfg.Stacks, fleet.Stack{Name: name, Root: "/srv/" + name, Drain: 100 * time.Millisecond,
			Source: release.Source{Repo: repo.dir, Branch: "main"}, Stages: []fleet.Stage{stage}})
	}
	f, err := fleet.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, repo := range repos {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rig{t: t, repo: repo, fleet: f, stage: stage}
			s := r.start()
			s.Stack = name
			for i := range 4 {
				text := fmt.Sprintf("%s %d", name, i)
				repo.commit(text, 20)
				r.expect(r.run(0, s, nil), deploy.Done, "")
				for _, host := range h.Names {
					serves(t, filepath.Join(h.Srv(host), name), text)
				}
			}
		})
	}
}
