package fleet_test

import (
	"strings"
	"testing"

	"pushtrain/deploy/fleet/fleettest"
)

// TestBegin logs in to a host on which the helper can't be had, and it is said why.
func TestBegin(t *testing.T) {
	t.Parallel()
	h := fleettest.Start(t, 1)
	r := newRig(t, "/srv/web", h.Config, hosts("host-1"))
	refused := func(says string) {
		t.Helper()
		for _, s := range r.fleet.Status(t.Context(), target) {
			if s.Err == nil || !strings.Contains(s.Err.Error(), says) {
				t.Errorf("%v, want %q", s.Err, says)
			}
		}
	}
	h.Run("host-1", "touch ~/.cache")
	refused("pushtrain can't be put there: mkdir: cannot create directory")
	h.Run("host-1", "rm ~/.cache")
	for command, says := range map[string]string{
		"echo Welcome; cat":            `it says "Welcome": the login shell there must print nothing of its own`,
		"echo absent Plan9 pdp11; cat": "it is Plan9 pdp11, and this pushtrain is for Linux ",
		"echo absent $(uname -sm); head -c 9; echo gone >&2; exit 126": "pushtrain can't be run there: gone",
	} {
		h.Admit("host-1", `command="`+command+`"`)
		refused(says)
	}
}
