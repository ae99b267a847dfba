package host

import (
	"context"
	"time"

	"pushtrain/deploy/release"
)

const (
	// AfterTime is how long the command of After may take.
	AfterTime = 30 * time.Second

	// afterLines is how many of its last lines are answered; each has 4 KiB at most.
	afterLines = 40
)

// after runs the stage's after_flip, where the link is on the side that is to be
// live: caches are reset, servers reloaded. It runs once more when its answer was
// lost, when a bot goes on after a crash, and after a flip back.
func (s *session) after(ctx context.Context, req Request, resp *Response) error {
	if err := s.fresh(req.Epoch); err != nil {
		return err
	}
	switch {
	case s.lock == nil:
		return refuse(NotLock, "%s without the lock", req.Do)
	case req.Epoch != s.epoch:
		return refuse(NotLock, "the lock is held for epoch %d, not %d", s.epoch, req.Epoch)
	case len(req.Argv) == 0 || req.Argv[0] == "":
		return refuse(Bad, "%s with no command", req.Do)
	}
	st, err := s.standing()
	if err != nil || st.Live != req.Side || st.Live == "" {
		return err // where the link is, the answer says anyway
	}
	ctx, cancel := context.WithTimeout(ctx, AfterTime)
	defer cancel()
	env := []string{"PUSHTRAIN_ROOT=" + s.path, "PUSHTRAIN_SIDE=" + string(st.Live), "PUSHTRAIN_RELEASE=" + st.Sides[st.Live].Release}
	err = release.Exec(ctx, req.Argv, s.path, env, func(line string, _ bool) {
		resp.Said = append(resp.Said, line)
		if len(resp.Said) > afterLines {
			resp.Said = resp.Said[1:]
		}
	})
	if err != nil {
		return refuse(Failed, "after_flip: %v", err)
	}
	return nil
}
