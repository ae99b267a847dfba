package train

import (
	"errors"
	"strings"
	"testing"
)

// TestUndoes: what a .rollback means that does not say all.
func TestUndoes(t *testing.T) {
	web, config := Run{Stack: "web", Stage: "prod", Train: 1}, Run{Stack: "config", Stage: "prod", Train: 2}
	princess := Run{Stack: "web", Stage: "princess", Train: 1}
	stuck := config
	stuck.Stuck = true
	sync := web
	sync.Host = "w1"
	lives := []Live{landedAt("config", "prod", 1, human("bob")), landedAt("web", "prod", 2, human("carol")), landedAt("web", "princess", 3, human("alice"))}
	for name, c := range map[string]struct {
		busy []Run
		by   Who
		e    Rollback
		want string // STACK STAGE, or what the refusal says
	}{
		"nothing runs: the last that flipped":     {by: human("alice"), want: "web princess"},
		"nothing runs: the last of one's own":     {by: human("bob"), want: "config prod"},
		"an op: the last that flipped":            {by: op("eve"), want: "web princess"},
		"shipped to prod, left, and others go on": {by: human("carol"), want: "web prod"},
		"the same one, as an op":                  {by: op("carol"), e: Rollback{Stack: "web"}, want: "web prod"},
		"one's own runs, another's landed later":  {busy: []Run{config}, by: op("bob"), want: "config prod"},
		"one's own flips, another's landed later": {busy: []Run{config}, by: op("bob"), e: Rollback{Flipping: []string{"config"}}, want: "config prod"},
		"one's own is STUCK":                      {busy: []Run{stuck}, by: op("bob"), want: "config prod"},
		"before COMMIT: the last that flipped":    {busy: []Run{web}, by: human("alice"), want: "web princess"},
		"after COMMIT: what flips":                {busy: []Run{web}, by: human("alice"), e: Rollback{Flipping: []string{"web"}}, want: "web prod"},
		"one host is brought up to date":          {busy: []Run{sync}, by: human("alice"), e: Rollback{Flipping: []string{"web"}}, want: "web princess"},
		"another's flips":                         {busy: []Run{princess}, by: human("bob"), e: Rollback{Flipping: []string{"web"}}, want: "config prod"},
		"a stage alone: where it flipped last":    {by: op("eve"), e: Rollback{Stage: "prod"}, want: "web prod"},
		"a stage alone: of one's own":             {by: human("bob"), e: Rollback{Stage: "prod"}, want: "config prod"},
		"a stage alone: where one's own runs":     {busy: []Run{config}, by: op("bob"), e: Rollback{Stage: "prod"}, want: "config prod"},
		"the shell's are nobody's own":            {busy: []Run{{Stack: "web", Stage: "prod"}, {Stack: "config", Stage: "prod"}}, by: human("bob"), want: "config prod"},
	} {
		s := two(lives, c.busy)
		if stack, stage := s.Undoes(c.e, c.by); stack+" "+stage != c.want {
			t.Errorf("%s: %s %s, want %s", name, stack, stage, c.want)
		}
	}
}

// TestUndoesFirst: who has nothing live yet means what they have under way, not what an op may take back.
func TestUndoesFirst(t *testing.T) {
	s := two([]Live{landedAt("web", "prod", 2, human("carol"))}, []Run{{Stack: "config", Stage: "prod", Train: 2}})
	if stack, stage := s.Undoes(Rollback{}, op("bob")); stack != "config" || stage != "prod" {
		t.Errorf("%s %s", stack, stage)
	}
	s.Busy = append(s.Busy, Run{Stack: "web", Stage: "prod", Train: 1})
	s.Queue.Trains[0].Riders = append(s.Queue.Trains[0].Riders, Rider{Nick: "bob", Who: human("bob")})
	_, _, err := s.Apply(Input{At: day(1), By: human("bob"), Event: Rollback{Flipping: []string{"config", "web"}}})
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Code != "which" {
		t.Errorf("two of one's own flip: %v", err)
	}
}

// TestAbortMeans: whose rollouts a .abort stops that names no stack.
func TestAbortMeans(t *testing.T) {
	web, config := Run{Stack: "web", Stage: "prod", Train: 1}, Run{Stack: "config", Stage: "prod", Train: 2}
	for name, c := range map[string]struct {
		busy []Run
		by   Who
		want string // the stacks, or what the refusal says
	}{
		"one's own":                 {[]Run{web, config}, human("alice"), "web"},
		"one's own, as an op":       {[]Run{web, config}, op("alice"), "web"},
		"another's, as an op":       {[]Run{config}, op("alice"), "config"},
		"several others', as an op": {[]Run{web, config}, op("eve"), "rollouts of web and config are under way: say which, .abort web"},
		"of one train":              {[]Run{web, {Stack: "config", Stage: "prod", Train: 1}}, op("eve"), "web config"},
		"another's":                 {[]Run{web}, human("bob"), "web/prod runs for other people"},
	} {
		_, effects, err := two(nil, c.busy).Apply(Input{At: day(1), By: c.by, Event: Abort{}})
		var got []string
		for _, e := range effects {
			if stop, ok := e.(Stop); ok {
				got = append(got, stop.Stack)
			}
		}
		said := strings.Join(got, " ")
		if err != nil {
			said = err.Error()
		}
		if !strings.HasPrefix(said, c.want) || err == nil && said != c.want {
			t.Errorf("%s: %q, want %q", name, said, c.want)
		}
	}
}
