package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pushtrain/deploy"
	"pushtrain/deploy/host"
)

// Bounds of what is waited for.
const (
	statusTime   = 20 * time.Second
	idleTime     = 30 * time.Minute             // until an unlocked session that nobody uses is ended
	lockPatience = 2 * time.Second              // a session that was lost may keep its lock for a moment ...
	ownPatience  = host.Silence + 3*time.Second // ... and one of ours, whose end the host has not seen, until it is found silent
	beatEvery    = host.Silence / 3             // a session that holds the lock must be heard
)

// link is the way to one root of one host. Whoever holds turn owns the fields below it.
type link struct {
	stack, host string
	drain       time.Duration
	stall       time.Duration // how long it may take no byte while it is filled
	addr, root  string
	local       bool
	ssh         *ssh
	open        context.Context // the fleet's: what nobody waits for ends with it
	owner       string          // of all epochs that this fleet uses

	turn   chan struct{}
	s      *session    // nil = none
	epoch  uint64      // that s holds the lock for; 0 = it holds none
	held   uint64      // that a session of ours held it for last
	wake   *time.Timer // what comes next when nobody uses s: a beat, or its end
	closed bool
	helper string // the program that answers where the host has its own, by a forced command; "" = ours
}

// lock says for whom the lock is taken.
type lock struct {
	epoch uint64 // 0 = no lock is needed
	by    string
	prove bool // have the host look for files that were changed since their side was sealed
	again bool // a session of a bot that is no more may hold it for this rollout
}

var noLock lock // for requests that take nothing

// refusal is a host that said no.
type refusal struct{ host.Response }

func (r *refusal) Error() string { return r.Err }

// ask has the host answer req, with the lock that lk names. Requests are
// idempotent: where the session is lost, it is opened once more and asked again.
// The error is a *refusal when the host said no, and a reason for a person in any case.
func (l *link) ask(ctx context.Context, lk lock, req host.Request) (host.Response, error) {
	return l.askWith(ctx, lk, req, nil)
}

// askWith is ask of a request with a Blob; nil = it has none.
func (l *link) askWith(ctx context.Context, lk lock, req host.Request, blob []byte) (host.Response, error) {
	var body func(*intake) error
	if blob != nil {
		req.Blob = int64(len(blob))
		body = func(to *intake) error {
			_, err := to.Write(blob)
			return err
		}
	}
	if err := l.take(ctx); err != nil {
		return host.Response{}, err
	}
	defer l.give()
	had := l.s != nil
	resp, err := l.try(ctx, lk, req, body)
	var lost lostError
	if had && errors.As(err, &lost) && ctx.Err() == nil {
		resp, err = l.try(ctx, lk, req, body)
	}
	if err == nil && resp.Err != "" {
		err = &refusal{resp}
	}
	return resp, err
}

// take waits for the turn.
func (l *link) take(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("it is busy with another request: %w", context.Cause(ctx))
	}
	if l.closed {
		<-l.turn
		return errors.New("the bot is shutting down")
	}
	l.stopWake()
	return nil
}

// give ends the turn. When nobody comes, a session that holds the lock is heard,
// and one that does not ends.
func (l *link) give() {
	switch {
	case l.s != nil && l.epoch != 0:
		l.wake = l.later(beatEvery, l.beat)
	case l.s != nil:
		l.wake = l.later(idleTime, l.drop)
	}
	<-l.turn
}

// later has do done in a turn of its own, unless somebody has come by then.
func (l *link) later(d time.Duration, do func()) *time.Timer {
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		select {
		case l.turn <- struct{}{}:
			if l.wake != t { // somebody has come and gone
				<-l.turn
				return
			}
			do()
			l.give()
		default:
		}
	})
	return t
}

// stopWake has nothing come next by itself.
func (l *link) stopWake() {
	if l.wake != nil {
		l.wake.Stop()
		l.wake = nil
	}
}

// beat tells the host that its lock is still wanted. A session that does not
// answer is lost: it is opened anew by whoever needs it.
func (l *link) beat() {
	ctx, cancel := context.WithTimeoutCause(l.open, confirmTime, lateError(confirmTime))
	defer cancel()
	_, _ = l.call(ctx, host.Request{Do: host.Status})
}

// try sends req over a session that holds what lk asks for.
func (l *link) try(ctx context.Context, lk lock, req host.Request, body func(*intake) error) (host.Response, error) {
	if _, err := l.dial(ctx); err != nil {
		return host.Response{}, err
	}
	if lk.epoch != 0 && l.epoch != lk.epoch {
		if resp, err := l.lock(ctx, lk); err != nil || resp.Err != "" {
			return resp, err
		}
	}
	req.Epoch = lk.epoch
	return l.callWith(ctx, req, body)
}

// call sends one request; a session that is lost is gone.
func (l *link) call(ctx context.Context, req host.Request) (host.Response, error) {
	return l.callWith(ctx, req, nil)
}

// callWith is call of a request that body writes the Blob of; nil = it has none.
func (l *link) callWith(ctx context.Context, req host.Request, body func(*intake) error) (host.Response, error) {
	if d := answerTime(req.Do); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, lateError(d))
		defer cancel()
	}
	resp, err := l.s.call(ctx, req, l.stall, body)
	if err == nil {
		if err = vet(req.Do, &resp, l.drain); err != nil {
			l.s.kill()
			err = lostError{err}
		}
	}
	if err != nil {
		l.drop()
	}
	return resp, err
}

// errLost is a session that the request can't do without.
var errLost = errors.New("the session was lost")

// stream sends a request whose Blob body writes, over the session that holds the
// lock and no other: what went before it counts. The error is as that of ask.
func (l *link) stream(ctx context.Context, lk lock, req host.Request, body func(*intake) error) (host.Response, error) {
	if err := l.take(ctx); err != nil {
		return host.Response{}, err
	}
	defer l.give()
	if l.s == nil || l.epoch != lk.epoch {
		return host.Response{}, errLost
	}
	req.Epoch = lk.epoch
	resp, err := l.callWith(ctx, req, body)
	if err == nil && resp.Err != "" {
		err = &refusal{resp}
	}
	return resp, err
}

// dial has a session that has said hello; the answer is of now only when it was opened now.
func (l *link) dial(ctx context.Context) (host.Response, error) {
	if l.s != nil {
		return host.Response{}, nil
	}
	if l.local {
		l.s = local(l.root)
		return l.hello(ctx)
	}
	select {
	case l.ssh.logins <- struct{}{}:
		defer func() { <-l.ssh.logins }()
	case <-ctx.Done():
		return host.Response{}, context.Cause(ctx)
	}
	s, err := l.ssh.dial(ctx, l.addr, l.root)
	if err != nil {
		return host.Response{}, err
	}
	l.s = s
	return l.hello(ctx)
}

func (l *link) hello(ctx context.Context) (host.Response, error) {
	resp, err := l.call(ctx, host.Request{Do: host.Hello, Drain: l.drain})
	switch {
	case err != nil:
		return resp, err
	case resp.Err != "":
		err = &refusal{resp}
	case resp.Version != host.Version:
		err = fmt.Errorf("its pushtrain, which its authorized_keys names, speaks protocol %d, and this one %d: install this version there", resp.Version, host.Version)
	default:
		l.helper = resp.Helper
		return resp, nil
	}
	l.drop()
	return resp, err
}

// lock takes the host's lock for lk.
func (l *link) lock(ctx context.Context, lk lock) (host.Response, error) {
	patience := lockPatience
	if lk.again || l.held == lk.epoch {
		patience = ownPatience
	}
	over := time.Now().Add(patience)
	for {
		resp, err := l.call(ctx, host.Request{Do: host.Lock, Epoch: lk.epoch, Owner: l.owner, Stack: l.stack, By: lk.by, Prove: lk.prove})
		if err == nil && resp.Err == "" {
			l.epoch, l.held = lk.epoch, lk.epoch
		}
		if err != nil || resp.Code != host.Locked || time.Now().After(over) {
			if err == nil && resp.Err != "" && l.epoch != 0 {
				l.drop() // it held the lock for an epoch that is over: nobody would give that back
			}
			return resp, err
		}
		if err := sleep(ctx, lockPatience/10); err != nil {
			return resp, err
		}
	}
}

// fence opens the session, reads where the host stands, and takes its lock;
// taken = it did not, since the host has accepted a higher epoch, or the same one
// of another fleet: that is the caller's to judge.
func (l *link) fence(ctx context.Context, lk lock, say func(string, ...any)) (s deploy.Standing, taken bool, err error) {
	if err := l.take(ctx); err != nil {
		return deploy.Standing{}, false, err
	}
	defer l.give()
	resp, err := l.greet(ctx)
	if err != nil {
		return deploy.Standing{}, false, err
	}
	if program := l.odd(); program != "" {
		say("it runs its own pushtrain (%s), of another build than this one; they understand each other", program)
	}
	if err := host.CheckRsync(resp.Rsync); err != nil {
		return deploy.Standing{}, false, err
	}
	if gap := resp.Standing.Epoch - min(resp.Standing.Epoch, lk.epoch); gap > epochGap { // all rollouts to come would have to go beyond it, on every host
		return deploy.Standing{}, false, fmt.Errorf("it says that it has accepted epoch %d, and this rollout has %d: there can't have been as many; look at %s/.pushtrain/epoch there", resp.Standing.Epoch, lk.epoch, l.root)
	}
	if resp.Standing.Epoch > lk.epoch {
		return resp.Standing, true, nil // it would refuse the lock
	}
	resp, err = l.lock(ctx, lk)
	switch {
	case err == nil && resp.Code == host.Stale:
		return resp.Standing, true, nil
	case err == nil && resp.Err != "":
		err = &refusal{resp}
	}
	return resp.Standing, false, err
}

// odd says which program answers there, if it is not the one that would be put there; "" = it is.
func (l *link) odd() string {
	if l.helper == "" {
		return ""
	}
	if ours, err := l.ssh.helper(); err != nil || ours.name == l.helper {
		return ""
	}
	return l.helper
}

// greet says hello over the session that there is, or over a new one.
func (l *link) greet(ctx context.Context) (host.Response, error) {
	if l.s != nil {
		if resp, err := l.hello(ctx); err == nil || ctx.Err() != nil {
			return resp, err
		}
	}
	return l.dial(ctx)
}

// unlock gives the lock back, if the session that held it is still there.
func (l *link) unlock(ctx context.Context, epoch uint64, witness string) error {
	if err := l.take(ctx); err != nil {
		return err
	}
	defer l.give()
	if l.s == nil || l.epoch != epoch {
		return nil
	}
	l.epoch = 0
	resp, err := l.call(ctx, host.Request{Do: host.Unlock, Epoch: epoch, Witness: witness})
	if err == nil && resp.Err != "" {
		err = &refusal{resp}
		l.drop() // with the session, the lock goes for sure
	}
	return err
}

// control returns the socket that leads to the host by the session that holds
// the lock; "" for a folder of this machine.
func (l *link) control(ctx context.Context, epoch uint64) (string, error) {
	if err := l.take(ctx); err != nil {
		return "", err
	}
	defer l.give()
	if l.s == nil || l.epoch != epoch {
		return "", errLost
	}
	return l.s.control, nil
}

// drop ends the session, if there is one.
func (l *link) drop() {
	if l.s != nil {
		_ = l.s.end() // why it ended was said to whoever lost it
	}
	l.s, l.epoch = nil, 0
}

// close ends the link for good, when the request that is under way has ended.
func (l *link) close() {
	l.turn <- struct{}{}
	l.closed = true
	l.stopWake()
	l.drop()
	<-l.turn
}

// sleep waits for d, or for the end of ctx, which is its error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
