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
