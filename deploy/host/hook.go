package host

import (
	"context"
	"time"

	"pushtrain/deploy/release"
)

const (
	// HookTime is how long the command of Before or After may take.
	HookTime = 30 * time.Second

	// hookLines is how many of its last lines are answered; each has 4 KiB at most.
	hookLines = 40
)

// hook runs the stage's before_flip, where the side is sealed with what is coming
// and not live yet, or its after_flip, where the side is live: caches are told,
// servers reloaded. It runs once more when its answer was lost, and when a bot
// goes on after a crash.
func (s *session) hook(ctx context.Context, req Request, resp *Response) error {
	if err := s.holds(req); err != nil {
		return err
	}
	if len(req.Argv) == 0 || req.Argv[0] == "" {
		return refuse(Bad, "%s with no command", req.Do)
	}
	if err := s.forced.mayRun(req.Argv); err != nil {
		return err
	}
	st, err := s.standing()
	if err != nil {
		return err
	}
	seal, sealed := st.Sides[req.Side]
	live := req.Side != "" && st.Live == req.Side
	switch {
	case live != (req.Do == After):
		return nil // where the link is, the answer says anyway
	case req.Do == Before && (!sealed || seal.Digest != req.Seal.Digest):
		return refuse(Unsealed, "%s/%s is not sealed with release %s", s.path, req.Side, req.Seal.Release)
	}
	ctx, cancel := context.WithTimeout(ctx, HookTime)
	defer cancel()
	env := []string{"PUSHTRAIN_ROOT=" + s.path, "PUSHTRAIN_SIDE=" + string(req.Side), "PUSHTRAIN_RELEASE=" + seal.Release}
	began := time.Now()
	var loud []bool // the lines of Said that came on stderr
	err = s.beat(ctx, func(ctx context.Context) error {
		return release.Exec(ctx, req.Argv, s.path, env, func(line string, stderr bool) {
			resp.Said, loud = append(resp.Said, line), append(loud, stderr)
			if len(resp.Said) > hookLines {
				resp.Said, loud = resp.Said[1:], loud[1:]
			}
		})
	})
	resp.Ran = &Ran{Ended: release.Ended(req.Argv, time.Since(began), err)}
	for i := range loud {
		if loud[i] {
			resp.Ran.Stderr = append(resp.Ran.Stderr, i)
		}
	}
	if err != nil {
		return refuse(Failed, "%s_flip: %v", req.Do, err)
	}
	return nil
}
