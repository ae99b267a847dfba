package fleet

import (
	"testing"
	"testing/synctest"
	"time"
)

// Hosts that flip together have one moment, that lies ahead; one alone waits for nobody.
func TestMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m moment
		if at := m.next(1); at.After(time.Now()) {
			t.Errorf("one host flips in %v", time.Until(at))
		}
		first := m.next(32)
		time.Sleep(time.Millisecond)
		if in := time.Until(first); in != 32*perHost-time.Millisecond || !m.next(32).Equal(first) {
			t.Errorf("the first flips in %v, the next in %v", in, time.Until(m.next(32)))
		}
		time.Sleep(time.Until(first))
		if second := m.next(1000); time.Until(second) != momentMax {
			t.Errorf("the next flips are in %v", time.Until(second))
		}
	})
}
