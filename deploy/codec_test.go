package deploy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"
	"time"

	"pushtrain/deploy"
)

// every holds one filled value of each type of Event.
func every() []deploy.Event {
	standing := deploy.Standing{Live: deploy.Yin, Sides: map[deploy.Side]deploy.Seal{deploy.Yin: {Release: "a", Digest: "d", Epoch: 3}}, Epoch: 4, Drain: time.Second}
	return []deploy.Event{
		deploy.Start{Target: deploy.Target{Stack: "web", Stage: "prod"}, Hosts: []string{"web1"}, Train: 3, By: "alice", Ref: "main",
			Release: rel("new"), Back: true, Why: "bad", Test: true, Check: true, Sync: true, Force: true, MaxQuarantine: 1},
		deploy.Commit{},
		deploy.Abort{By: "bob", Why: "no"},
		deploy.Undo{By: "bob", Why: "no", Hosts: []string{"web1"}},
		deploy.Resume{},
		deploy.Forward{By: "bob", Hosts: []string{"web1"}},
		deploy.Built{Release: rel("new"), Committed: time.Date(2013, 11, 20, 9, 0, 0, 0, time.UTC)},
		deploy.Tested{},
		deploy.Fenced{Host: "web1", Standing: standing, Taken: true},
		deploy.Prepared{Host: "web1"},
		deploy.Verified{Host: "web1"},
		deploy.Flipped{Host: "web1", Took: time.Millisecond},
		deploy.Confirmed{Host: "web1", Standing: standing},
		deploy.Checked{},
		deploy.Pulled{Host: "web1"},
		deploy.Unlocked{Host: "web1"},
		deploy.Failed{Kind: deploy.KindFlip, Host: "web1", Reason: "r", Tail: []string{"x"}, Clean: true},
	}
}

func TestCodec(t *testing.T) {
	at := time.Date(2026, 3, 2, 12, 0, 0, 1, time.UTC)
	covered := map[string]bool{}
	for _, e := range every() {
		in := deploy.Input{At: at, ID: 7, Event: e}
		data, err := deploy.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		back, err := deploy.Unmarshal(data)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if !reflect.DeepEqual(in, back) {
			t.Errorf("%s\nread back as %+v", data, back)
		}
		v := reflect.ValueOf(e)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%T.%s is not covered", e, v.Type().Field(i).Name)
			}
		}
		covered[v.Type().Name()] = true
	}
	// A new event without a name in the journal must not pass.
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv == nil || f.Name.Name != "event" {
			continue
		}
		found++
		if name := f.Recv.List[0].Type.(*ast.Ident).Name; !covered[name] {
			t.Errorf("event %s has no test of its JSON", name)
		}
	}
	if found == 0 {
		t.Error("event.go declares no events")
	}
}

func TestCodecRefuses(t *testing.T) {
	for data, want := range map[string]string{
		`{"type":"teleport","event":{}}`:            `unknown type "teleport"`,
		`{"type":"start","event":{"Hosts":"web1"}}`: "decode start",
		`not json`: "decode an input",
		`{"id":1,"type":"built","event":{"Release"`: "decode an input",
	} {
		if _, err := deploy.Unmarshal([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Unmarshal(%s) = %v, want %q", data, err, want)
		}
	}
	if _, err := deploy.Marshal(deploy.Input{}); err == nil {
		t.Error("Marshal takes an input without an event")
	}
}
