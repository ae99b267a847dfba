package train

import (
	"fmt"
	"testing"
	"time"
)

// TestWhoIsWho tells of alice, who drives, and of what happened to whoever is called
// alice then; starts says whether that one's .princess counts.
func TestWhoIsWho(t *testing.T) {
	logged := Who{Nick: "alice", User: "a", Host: "h", Account: "alice"}
	bare := Who{Nick: "alice", User: "a", Host: "h"}
	moved := Who{Nick: "alice", User: "a", Host: "cloak"}
	thief := Who{Nick: "alice", User: "a", Host: "h", Account: "mallory"}
	al := Who{Nick: "al", User: "x", Host: "y", Account: "ALICE"}
	accounts := Online{Accounts: true}
	type step struct {
		by Who
		e  Event
	}
	cases := []struct {
		name     string
		identity string
		online   Online
		joins    Who
		then     []step
		by       Who
		starts   bool
	}{
		{"the same account", "", accounts, logged, nil, logged, true},
		{"no account", "", accounts, bare, nil, bare, false},
		{"a login in the same stay", "", accounts, bare, []step{{bare, Identified{As: logged}}}, logged, true},
		{"a login after a quit", "", accounts, bare, []step{{bare, Parted{}}, {logged, Heard{Spoke: true}}}, logged, false},
		{"a logout", "", accounts, logged, []step{{logged, Identified{As: bare}}}, bare, false},
		{"another account in the same stay", "", accounts, logged, []step{{logged, Identified{As: thief}}}, thief, false},
		{"another account after a quit", "", accounts, logged, []step{{logged, Parted{}}, {thief, Heard{Spoke: true}}}, thief, false},
		{"the account under another nick", "", accounts, logged, []step{{logged, Parted{}}, {al, Heard{}}}, al, true},
		{"a logout with a new host", "", accounts, logged, []step{{logged, Identified{As: moved}}}, moved, false},
		{"a server without accounts after one with", "", accounts, logged, []step{{Who{}, Online{Riders: []Who{bare}}}}, bare, false},
		{"the bot away from an unknown", "", accounts, bare, []step{{Who{}, Online{Accounts: true, Riders: []Who{thief}}}}, thief, false},
		{"the topic cut, the bot never away", "", accounts, bare, []step{{Who{}, Online{Accounts: true, Still: true}}, {bare, Identified{As: logged}}}, logged, true},
		{"hostmask: the same", "", Online{}, bare, []step{{bare, Parted{}}, {bare, Heard{}}}, bare, true},
		{"hostmask: another host", "", Online{}, bare, []step{{bare, Parted{}}, {moved, Heard{Spoke: true}}}, moved, false},
		{"hostmask: a host that changed", "", Online{}, bare, []step{{bare, Identified{As: moved}}}, moved, true},
		{"hostmask: the old host after that", "", Online{}, bare, []step{{bare, Identified{As: moved}}, {moved, Parted{}}}, bare, false},
		{"hostmask on a server with accounts", "hostmask", accounts, logged, []step{{logged, Parted{}}, {bare, Heard{}}}, bare, true},
		{"nick", "nick", Online{}, bare, []step{{bare, Parted{}}, {moved, Heard{}}}, moved, true},
		{"account, on a server without", "account", Online{}, bare, nil, bare, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var s State
			at := time.Unix(1e9, 0)
			do := func(by Who, e Event) error {
				at = at.Add(time.Second)
				next, _, err := s.Apply(Input{At: at, By: by, Event: e})
				s = next
				return err
			}
			r := rules
			r.Identity = c.identity
			for _, x := range append([]step{{Who{}, Configured{r}}, {Who{}, c.online}, {c.joins, Join{}}}, c.then...) {
				if err := do(x.by, x.e); err != nil {
					t.Fatalf("%T: %v", x.e, err)
				}
			}
			if err := do(c.by, Step{Stage: "princess"}); (err == nil) != c.starts {
				t.Errorf(".princess by %+v: %v, want it to start: %t; the seat is %+v", c.by, err, c.starts, s.Queue.Trains[0].Riders[0])
			}
		})
	}
}

// TestQuietIsBounded: whoever says .quiet under ever new nicks fills nothing.
func TestQuietIsBounded(t *testing.T) {
	s := State{}
	for i := range quietMax + 2 {
		next, _, err := s.Apply(Input{By: Who{Nick: fmt.Sprint("n", i)}, Event: Quiet{On: true}})
		if err != nil {
			t.Fatal(err)
		}
		s = next
	}
	if len(s.Quiet) != quietMax || s.Quiet[0] != "n2" || s.Quiet[quietMax-1] != fmt.Sprint("n", quietMax+1) {
		t.Errorf("%d are quiet, from %s", len(s.Quiet), s.Quiet[0])
	}
}
