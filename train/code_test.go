package train

import (
	"testing"
	"time"
)

var (
	ally   = Who{Nick: "ally", User: "a", Host: "h"}
	robber = Who{Nick: "ally", User: "a", Host: "h"} // nothing tells them apart
)

// coding applies inputs a second apart, and has the newest code.
type coding struct {
	t *testing.T
	State
	at time.Time
}

func newCoding(t *testing.T) *coding {
	c := &coding{t: t, at: time.Unix(1e9, 0)}
	c.do(Who{}, Configured{Rules{Code: true, Stacks: []Stack{{Name: "web", Stages: []Stage{{Name: "prod"}}}}}})
	c.do(ally, Join{})
	return c
}

func (c *coding) do(by Who, e Event) {
	c.t.Helper()
	if code := c.try(by, e); code != "" {
		c.t.Fatalf("%T: refused: %s", e, code)
	}
}

func (c *coding) try(by Who, e Event) (refusal string) {
	c.at = c.at.Add(time.Second)
	next, _, err := c.Apply(Input{At: c.at, By: by, Event: e})
	if err != nil {
		return err.(*Refusal).Code
	}
	c.State = next
	return ""
}

// TestCodeGoesAstray: a code that may have reached somebody else is worth nothing,
// and nobody gets another one for it.
func TestCodeGoesAstray(t *testing.T) {
	gone := map[string]func(*coding){
		"quit":     func(c *coding) { c.do(ally, Parted{}) },
		"bot away": func(c *coding) { c.do(Who{}, Online{Riders: []Who{ally}}) },
	}
	for name, leave := range gone {
		for _, sure := range []bool{false, true} {
			c := newCoding(t)
			n := c.Codes
			if sure {
				c.do(Who{}, Handed{N: n})
			}
			leave(c)
			c.do(Who{}, Handed{N: n}) // too late
			c.do(robber, Heard{Spoke: true})
			want := map[bool]string{false: "no code", true: ""}[sure]
			if got := c.try(robber, Step{Stage: "prod", Code: n}); got != want {
				t.Errorf("%s, delivered before: %t: .prod with the code: refusal %q, want %q", name, sure, got, want)
			}
			if c.do(robber, Voided{N: n}); !sure && c.Codes != n {
				t.Errorf("%s: the void code was exchanged for another one", name)
			}
		}
	}
}

func TestCodeUnderAnotherNick(t *testing.T) {
	c := newCoding(t)
	c.do(ally, Renamed{To: "al"})
	if r := c.Queue.Trains[0].Riders[0]; r.Code.N != 2 || r.Code.For.Nick != "al" {
		t.Errorf("after a nick change before it came: %+v, want another code, for al", r.Code)
	}
	c.do(Who{}, Handed{N: 2})
	al := Who{Nick: "al", User: "a", Host: "h"}
	c.do(al, Renamed{To: "ally"})
	if r := c.Queue.Trains[0].Riders[0]; r.Code.N != 2 {
		t.Errorf("after a nick change when it had come: %+v, want the same code", r.Code)
	}
	c.do(ally, Parted{})
	c.do(robber, Heard{Spoke: true})
	c.do(robber, Renamed{To: "mallory"}) // the seat goes with them
	if got := c.try(ally, Step{Stage: "prod"}); got == "" {
		t.Error("nothing proves that ally is back, and a rollout starts")
	}
	c.do(ally, Parted{})
	ally := Who{Nick: "ally", User: "a", Host: "another"}
	c.do(ally, Step{Stage: "prod", Code: 2})
	if r := c.Queue.Trains[0].Riders[0]; r.Nick != "ally" || r.Code.N != 3 || r.Code.For.Nick != "ally" {
		t.Errorf("who said the code has the seat %+v", r)
	}
}
