package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A checkup tries a flip beside what is live, names who holds the lock, and leaves nothing behind.
func TestCheckup(t *testing.T) {
	root := filled(t)
	before, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	p := dial(t, root)
	resp := p.must(Request{Do: Checkup})
	if h := resp.Health; h == nil || h.Flip <= 0 || h.Fault != "" || h.Holder != "" || h.Free.Bytes <= 0 || h.Free.Files <= 0 || time.Since(h.Clock).Abs() > time.Minute {
		t.Errorf("health %+v", h)
	}
	after, err := os.ReadDir(root)
	if err != nil || len(after) != len(before) {
		t.Errorf("it has left %v, %v; before %v", after, err, before)
	}
	p.must(Request{Do: Lock})
	if h := dial(t, root).must(Request{Do: Checkup}).Health; !strings.Contains(h.Holder, "is locked for rollout") {
		t.Errorf("holder %q", h.Holder)
	}
	none := filepath.Join(root, "a", "b")
	if h := dial(t, none).must(Request{Do: Checkup}).Health; h.Flip != 0 || h.Fault != "" || h.Free.Bytes <= 0 {
		t.Errorf("of no root: %+v", h)
	}
	if _, err := os.Stat(filepath.Join(root, "a")); err == nil {
		t.Error("a checkup has made a root")
	}
}

// A host keeps what it was told of the journal at flips and at the end of rollouts, and takes nothing else for one.
func TestWitness(t *testing.T) {
	root := filled(t)
	first, second := "0123456789abcdef 7:"+strings.Repeat("a", 64), "0123456789abcdef 9:"+strings.Repeat("b", 64)
	p := dial(t, root)
	if got := p.must(Request{Do: Status}).Witness; got != "" {
		t.Errorf("witness %q before any", got)
	}
	p.must(Request{Do: Unlock, Witness: first})
	if got := p.must(Request{Do: Status}).Witness; got != "" {
		t.Errorf("who has no lock left %q", got)
	}
	p.must(Request{Do: Lock})
	p.must(Request{Do: Unlock, Witness: first})
	if got := p.must(Request{Do: Status}).Witness; got != first {
		t.Errorf("witness %q, want %q", got, first)
	}
	p.must(Request{Do: Lock})
	p.refused(Request{Do: Unlock, Witness: "x\ny"}, Bad, "of no journal")
	p.must(Request{Do: Unlock, Witness: second})
	if got := dial(t, root).must(Request{Do: Status}).Witness; got != second {
		t.Errorf("witness %q, want %q", got, second)
	}
	if err := os.WriteFile(filepath.Join(root, state, "witness"), []byte("rm -rf /"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := dial(t, root).must(Request{Do: Status}).Witness; got != "" {
		t.Errorf("witness %q of a hand", got)
	}
}
