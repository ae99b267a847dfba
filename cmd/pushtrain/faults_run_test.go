package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"pushtrain/bot"
	"pushtrain/deploy"
)

// run makes one run: what became of the rollout, and how long after the end of the
// fault. An error is what a judge found.
func (r *faultRig) run(run faultRun) (was deploy.State, took time.Duration, err error) {
	before, err := r.look()
	if err != nil {
		return "", 0, err
	}
	run.scene.setup(r, run.point)
	first := r.bot
	told := make(chan []reply, 1)
	go func() { told <- run.scene.play(r) }()
	replies, err := r.reach(first, run.point, told)
	if errors.Is(err, errMissed) {
		err = cmp.Or(r.rest(run.scene), err)
	}
	if err != nil {
		return "", 0, err
	}
	heal := run.fault.strike(r, run.point)
	if !first.dead() {
		first.tell("go")
	}
	hold := time.NewTimer(run.fault.hold)
	defer hold.Stop()
	over := replies != nil
	if !over {
		select {
		case replies = <-told:
			over = true
		case <-first.gone:
		case <-hold.C:
		}
	}
	heal()
	healed := time.Now()
	if !over {
		select {
		case replies = <-told:
		case <-first.gone:
			replies = <-told
		case <-time.After(recovery + patience):
			_ = first.cmd.Process.Signal(syscall.SIGQUIT) // so that it says where it hangs
			return "", 0, errors.New("it is not over, and the bot is there")
		}
	}
	if run.scene.many {
		healed = time.Now() // what it did meanwhile was more than to recover
	}
	stuck, err := r.back(first)
	took = time.Since(healed)
	if err != nil {
		return "", took, err
	}
	if took > limit() {
		return "", took, fmt.Errorf("it took %s from the end of the fault, and %s is the limit", took, limit())
	}
	if run.scene.many {
		before = nil // more than one rollout: a side that was live is filled anew
	}
	was, err = r.outcome(before)
	if err != nil {
		return was, took, err
	}
	if r.bot == first && len(replies) == 1 {
		if err := consistent(replies[0], was); err != nil {
			return was, took, err
		}
	}
	if run.fault.name == "full-disk" && diskOf(run.point) == "" {
		r.bot.stop() // it looks for room every ten seconds, a new one at once
		r.start("")
	}
	if stuck {
		if err := r.decide(before, run.scene.name == "stuck" || r.turn%2 == 0); err != nil {
			return was, took, err
		}
	}
	if err := errors.Join(r.witness.said(), first.hasty(), r.bot.hasty()); err != nil {
		return was, took, err
	}
	return was, took, r.rest(run.scene)
}

// back waits until no rollout goes on, with a new bot when the first one has ended
// or is about to.
func (r *faultRig) back(first *process) (stuck bool, err error) {
	if !first.dead() {
		stuck, err = r.settled(patience)
	}
	if first.dead() {
		r.start("")
		stuck, err = r.settled(patience)
	}
	return stuck, err
}

// errMissed is a scene that did not pass the point this time: its order is not always the same.
var errMissed = errors.New("the point was not passed")

// reach waits until the bot stands at its point, and returns the replies of a scene
// that was over before that: some points come behind the outcome.
func (r *faultRig) reach(p *process, point string, told <-chan []reply) (replies []reply, err error) {
	wait := time.NewTimer(patience)
	defer wait.Stop()
	for {
		select {
		case <-p.hit:
			return replies, nil
		case <-p.gone:
			return nil, fmt.Errorf("the bot ended before %s: %v", point, p.err)
		case replies = <-told:
			if replies == nil {
				replies = []reply{}
			}
			told = nil
			wait.Reset(2 * time.Second)
		case <-wait.C:
			if told == nil {
				return nil, errMissed
			}
			return nil, fmt.Errorf("%s was not passed, and it is not over: %v", point, p.passed())
		}
	}
}

// consistent checks that who asked was told what became of it.
func consistent(a reply, was deploy.State) error {
	want := map[deploy.State]int{deploy.Done: bot.ExitDone, deploy.Aborted: bot.ExitFailed, deploy.RolledBack: bot.ExitFailed, deploy.Degraded: bot.ExitLook, deploy.Stuck: bot.ExitLook}[was]
	if a.err != nil || a.exit != want && a.exit != bot.ExitNotNow { // who was refused asked for one more
		return fmt.Errorf("the rollout is %s, and who asked was told %d, %v: %v", was, a.exit, a.err, a.lines)
	}
	return nil
}

// decide has people decide a STUCK rollout; then the fleet is uniform.
func (r *faultRig) decide(before fleetView, forward bool) error {
	began := time.Now()
	do := bot.Request{Do: "rollback", Text: "a fault test", Follow: true}
	if forward {
		do = bot.Request{Do: "deploy", Override: "a fault test", Follow: true}
	}
	told := r.ask(do)
	if stuck, err := r.settled(limit()); err != nil || stuck {
		return fmt.Errorf("%s does not end a STUCK rollout of healthy hosts: %v; it says %v", do.Do, err, told)
	}
	if took := time.Since(began); took > limit() {
		return fmt.Errorf("%s of a STUCK rollout took %s", do.Do, took)
	}
	if _, err := r.outcome(before); err != nil {
		return fmt.Errorf("after %s of a STUCK rollout: %w", do.Do, err)
	}
	return nil
}

// afresh starts again with empty hosts and an empty journal, after a run that went wrong.
func (r *faultRig) afresh() {
	r.bot.kill()
	for _, w := range r.wires {
		w.heal()
	}
	for _, name := range r.hosts.Names {
		r.witness.leave(name, true)
		r.hosts.Stop(name)
		r.hosts.Start(name)
		r.empty(r.root(name), r.spare(name))
		if err := os.RemoveAll(filepath.Join(r.hosts.Srv(name), "glut")); err != nil {
			r.t.Fatal(err)
		}
	}
	r.empty(r.state)
	r.start("")
	r.ship("")
	r.ship("")
	if err := r.quiet(); err != nil {
		r.t.Fatal(err)
	}
	for _, name := range r.hosts.Names {
		r.witness.leave(name, false)
	}
	_ = r.witness.said() // of before
}
