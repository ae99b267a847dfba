package host

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pushtrain/deploy"
)

func TestAfter(t *testing.T) {
	root, p, _, two := both(t)
	say := []string{"sh", "-c", `pwd; echo "$0 $1" $PUSHTRAIN_ROOT $PUSHTRAIN_SIDE $PUSHTRAIN_RELEASE >&2`, "$HOME;", "a  b"}
	resp := p.must(Request{Do: After, Side: deploy.Yin, Argv: say})
	slices.Sort(resp.Said) // stdout and stderr come as they like
	if want := []string{"$HOME; a  b " + root + " yin 1", root}; !slices.Equal(resp.Said, want) {
		t.Errorf("it said %q, want %q", resp.Said, want)
	}
	if ran := resp.Ran; ran == nil || !strings.HasPrefix(ran.Ended, "sh -c pwd; ") || !strings.Contains(ran.Ended, ": exit status 0 after ") || len(ran.Stderr) != 1 {
		t.Errorf("it ran as %+v", ran)
	}
	if resp.Standing.Live != deploy.Yin {
		t.Errorf("standing %+v", resp.Standing)
	}

	// Where the link is somewhere else, nothing is run, and the answer says where.
	ran := filepath.Join(root, "ran")
	touch := Request{Do: After, Side: deploy.Yang, Argv: []string{"touch", ran}}
	if resp := p.must(touch); resp.Standing.Live != deploy.Yin || resp.Ran != nil {
		t.Errorf("live %s, ran %+v", resp.Standing.Live, resp.Ran)
	}
	if _, err := os.Lstat(ran); err == nil {
		t.Error("it ran for a side that is not live")
	}
	p.must(flip(deploy.Yin, deploy.Yang, two))
	p.must(touch)
	p.must(touch) // twice is as good as once
	if _, err := os.Lstat(ran); err != nil {
		t.Error("it did not run after the flip")
	}

	// What it says is bounded, and comes with a refusal too.
	resp = p.refused(Request{Do: After, Side: deploy.Yang, Argv: []string{"sh", "-c", "seq 1000; exit 3"}}, Failed, "exit status 3")
	if len(resp.Said) != hookLines || resp.Said[hookLines-1] != "1000" || resp.Said[0] != fmt.Sprint(1001-hookLines) {
		t.Errorf("it said %d lines, %q to %q", len(resp.Said), resp.Said[0], resp.Said[len(resp.Said)-1])
	}
	p.refused(Request{Do: After, Side: deploy.Yang, Argv: []string{"/no/such/program"}}, Failed, "/no/such/program: no such file")
	if link(t, root) != "yang" {
		t.Error("a command that fails moved the link")
	}
}

func TestBefore(t *testing.T) {
	root, p, one, two := both(t)
	say := []string{"sh", "-c", "echo $PUSHTRAIN_SIDE $PUSHTRAIN_RELEASE; ls -d current"}
	resp := p.must(Request{Do: Before, Side: deploy.Yang, Seal: two.seal, Argv: say})
	if want := []string{"yang 2", "current"}; !slices.Equal(resp.Said, want) || link(t, root) != "yin" {
		t.Errorf("it said %q, want %q; current -> %s", resp.Said, want, link(t, root))
	}
	p.refused(Request{Do: Before, Side: deploy.Yang, Seal: one.seal, Argv: say}, Unsealed, "yang is not sealed with release 1")
	p.refused(Request{Do: Before, Side: deploy.Yang, Seal: two.seal, Argv: []string{"false"}}, Failed, "before_flip: false: exit status 1")
	if said := p.must(Request{Do: Before, Side: deploy.Yin, Seal: one.seal, Argv: say}).Said; len(said) > 0 {
		t.Errorf("it ran for a side that is live: %q", said)
	}
}

func TestAfterIsOfTheLock(t *testing.T) {
	_, p, _, _ := both(t)
	for _, argv := range [][]string{nil, {""}} {
		p.refused(Request{Do: After, Side: deploy.Yin, Argv: argv}, Bad, "with no command")
	}
	p.refused(Request{Do: After, Epoch: 2, Side: deploy.Yin, Argv: []string{"true"}}, NotLock, "held for epoch 1")
	p.must(Request{Do: Unlock})
	p.refused(Request{Do: After, Side: deploy.Yin, Argv: []string{"true"}}, NotLock, "without the lock")
	p.must(Request{Do: Lock, Epoch: 2})
	resp := p.refused(Request{Do: After, Side: deploy.Yin, Argv: []string{"true"}}, Stale, "epoch 1 is over")
	if strings.Contains(resp.Err, "after_flip") {
		t.Error("it ran for an epoch that is over")
	}
}
