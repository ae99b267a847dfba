package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pushtrain/bot"
)

// scene is something that the bot does from one resting state to another, past points.
type scene struct {
	name  string
	setup func(r *faultRig, point string) // everything before the point; the last thing is to arm it
	play  func(r *faultRig) []reply       // returns when all is over, or the bot is gone
	few   bool                            // only the bot and its disk are worth a fault
	many  bool                            // more than one rollout: sides that were live are filled anew
	twice bool                            // the setup killed the bot: a fault here is a second one
}

func scenes() []scene {
	arm := func(kind string) func(*faultRig, string) {
		return func(r *faultRig, point string) {
			r.commit(kind)
			r.bot.arm(point)
		}
	}
	deploy := func(r *faultRig) []reply { return []reply{r.deploy()} }
	return []scene{
		{name: "ship", setup: arm(""), play: deploy},
		{name: "roll-back", setup: func(r *faultRig, point string) {
			r.ship("") // or it would go back from what an earlier one went back to
			if err := r.quiet(); err != nil {
				r.t.Fatal(err)
			}
			r.bot.arm(point)
		}, play: func(r *faultRig) []reply {
			return []reply{r.ask(bot.Request{Do: "rollback", Text: "a fault test", Follow: true})}
		}},
		{name: "check-fails", setup: arm("broken"), play: deploy},
		{name: "test-fails", setup: arm("untested"), play: deploy, few: true},
		{name: "abort", setup: arm("slow"), play: playAbort, few: true},
		{name: "stuck", setup: setupStuck, play: playStuck, few: true, many: true},
		{name: "leave-behind", setup: arm(""), play: func(r *faultRig) []reply {
			r.ask(bot.Request{Do: "deploy", Stack: spareTarget.Stack, Stage: spareTarget.Stage, Override: "a fault test", Follow: true})
			return nil
		}, few: true},
		{name: "channel", setup: setupChannel, play: playChannel, few: true, many: true},
		{name: "recover-forward", setup: setupCrash("", "record/deploy.Commit/after#1"), play: playRecovery, twice: true},
		{name: "recover-back", setup: setupCrash("broken", "record/deploy.Failed/after#1"), play: playRecovery, twice: true},
	}
}

// playAbort stops a rollout whose tests take long.
func playAbort(r *faultRig) []reply {
	first := make(chan reply, 1)
	go func() { first <- r.deploy() }()
	seen, p := make(chan error, 1), r.bot
	go func() { seen <- p.sees("deed/test/before#1", patience) }() // ends by itself
	select {
	case a := <-first:
		return []reply{a}
	case err := <-seen:
		if err == nil {
			r.ask(bot.Request{Do: "abort"})
		}
		return []reply{<-first}
	}
}

// soon is how long a scene waits for what a fault may have prevented.
const soon = 2 * time.Second

// sees waits until the bot has passed a point.
func (p *process) sees(point string, within time.Duration) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(within); ; {
		if slices.Contains(p.passed(), point) {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.gone:
			return errors.New("the bot ended")
		case <-deadline:
			return fmt.Errorf("%s was not passed", point)
		}
	}
}

// setupStuck makes the last host one that was never filled: it has nothing to go back to.
func setupStuck(r *faultRig, point string) {
	last := r.hosts.Names[fleetSize-1]
	r.witness.leave(last, true)
	r.empty(r.root(last))
	r.commit("broken")
	r.bot.arm(point)
}

// playStuck ships what its check refuses: STUCK, still STUCK when it is sent back,
// and on the new release when it is sent forward. Then one host is brought up to
// date, which it is.
func playStuck(r *faultRig) []reply {
	r.deploy()
	r.ask(bot.Request{Do: "rollback", Follow: true})
	if _, err := r.settled(patience); err != nil {
		return nil
	}
	r.deploy()
	return []reply{r.ask(bot.Request{Do: "sync", Host: r.hosts.Names[0], Follow: true})}
}

func setupChannel(r *faultRig, point string) {
	r.commit("")
	r.bot.stop()
	if err := errors.Join(os.RemoveAll(filepath.Join(r.state, "backup")), os.Remove(filepath.Join(r.state, "journal.db"))); err != nil {
		r.t.Fatal(err)
	}
	r.start(point) // on a new journal: the hosts know more than it does
}

// playChannel is one of each thing that people do in the channel.
func playChannel(r *faultRig) []reply {
	select {
	case <-r.bot.up:
	case <-r.bot.gone:
		return nil
	}
	say := func(lines ...string) {
		for _, l := range lines {
			r.bot.tell("%s", l)
		}
	}
	say("online", "say alice .join", "say bob .join with alice", "say bob .prod", "say alice .drive bob", "say bob .drive alice",
		"say bob .good", "say alice .uhoh", "say alice .good", `say alice .message "slush"`, "say carol .join last", "say alice .kick carol",
		"say carol .join last", "say carol .pop", `say bob .hold "a fault test"`, "say bob .unhold", `say bob .log "a fault test"`,
		"say bob .quiet on", "say carol .join last", "nick carol caz", "host caz elsewhere", "host caz example", "delivered", "part caz", "join caz", "topic alice alice + bob | caz")
	_ = r.bot.sees("record/train.Tick/after#1", soon) // not passed: the test of the types tells
	say("say alice .prod")
	if r.bot.sees("record/train.Step/after#1", soon) != nil { // on a full disk it is refused
		return nil
	}
	if r.bot.sees("record/train.Ended/after#1", patience) != nil {
		return nil
	}
	if _, err := r.settled(patience); err != nil {
		return nil
	}
	say("say alice .at elsewhere", "say alice .abort", "say alice .rollback", "say caz .leave", "say alice .done")
	_ = r.bot.sees("record/train.Done/after#1", soon)
	return nil
}

// setupCrash kills a bot at a point of a rollout, and starts one that stops at
// another point while it takes up what that one has left.
func setupCrash(kind, at string) func(*faultRig, string) {
	return func(r *faultRig, point string) {
		r.commit(kind)
		r.bot.arm(at)
		over := make(chan reply, 1)
		go func() { over <- r.deploy() }()
		select {
		case <-r.bot.hit:
			r.bot.kill()
		case a := <-over:
			r.t.Fatalf("%s was not passed: %d %v", at, a.exit, a.lines)
		}
		<-over
		r.start(point)
	}
}

// playRecovery is over when nothing goes on any more.
func playRecovery(r *faultRig) []reply {
	select {
	case <-r.bot.up:
	case <-r.bot.gone:
		return nil
	}
	_, _ = r.settled(patience) // the judges wait for it too
	return nil
}

// hostOf is the host in a point's name; "" = there is none.
func hostOf(point string) string {
	for part := range strings.SplitSeq(point, "/") {
		if strings.HasPrefix(part, "host-") {
			return part
		}
	}
	return ""
}

// typeOf is the type in a point's name: the record's or the deed's.
func typeOf(point string) string {
	parts := strings.Split(point, "/")
	return parts[0] + "/" + parts[1]
}
