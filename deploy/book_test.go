package deploy_test

import (
	"strings"
	"testing"

	"pushtrain/deploy"
)

func TestPrevious(t *testing.T) {
	target := deploy.Target{Stack: "web", Stage: "prod"}
	for _, c := range []struct{ history, want string }{ // oldest first; < = came by a rollback
		{"", ""},
		{"a", ""},
		{"a b", "a"},
		{"a b b", "a"},
		{"a b a", "b"},
		{"a b <a", ""},
		{"a b c <b", "a"},
		{"a b c <b d", "b"},
		{"a b c <b <a", ""},
		{"a b c b d <b", "c"}, // a revert was live between them
		{"a b c b d <b <c", "b"},
		{"b <a", "b"}, // shipped from elsewhere: what was live before is all there is
	} {
		var past []deploy.Shipped
		for _, id := range strings.Fields(c.history) {
			name, back := strings.CutPrefix(id, "<")
			past = append([]deploy.Shipped{{Release: rel(name), Back: back}}, past...)
		}
		book := deploy.Book{Shipped: map[string][]deploy.Shipped{target.String(): past}}
		got, ok := book.Previous(target)
		if got.ID != c.want || ok != (c.want != "") {
			t.Errorf("%q: Previous = %q, %v, want %q", c.history, got.ID, ok, c.want)
		}
		if live, ok := book.Live(target); ok != (c.history != "") || ok && !strings.HasSuffix(c.history, live.Release.ID) {
			t.Errorf("%q: Live = %+v, %v", c.history, live, ok)
		}
	}
}

func TestInUse(t *testing.T) {
	book := deploy.Book{
		Shipped: map[string][]deploy.Shipped{
			"web/prod":     {{Release: rel("c")}, {Release: rel("b")}, {Release: rel("a")}},
			"web/princess": {{Release: rel("d")}},
			"config/prod":  {{Release: rel("x")}},
		},
		Open: map[uint64]deploy.Rollout{7: {Start: deploy.Start{Target: deploy.Target{Stack: "web"}, Release: rel("e")}}},
	}
	if got := strings.Join(book.InUse("web"), " "); got != "b c d e" {
		t.Errorf("InUse = %s", got)
	}
}

func TestStartRefused(t *testing.T) {
	web := deploy.Target{Stack: "web", Stage: "prod"}
	for want, e := range map[string]deploy.Start{
		"stack and a stage": {Hosts: []string{"web1"}, Ref: "main"},
		"no hosts":          {Target: web, Ref: "main"},
		"named twice":       {Target: web, Hosts: []string{"web1", "web1"}, Ref: "main"},
		"no release to go":  {Target: web, Hosts: []string{"web1"}, Back: true},
		"name a branch":     {Target: web, Hosts: []string{"web1"}},
		"nothing proves it": {Target: web, Hosts: []string{"web1"}, Release: deploy.Release{ID: "a"}},
	} {
		_, effects, err := deploy.Book{}.Apply(deploy.Input{Event: e})
		if err == nil || !strings.Contains(err.Error(), want) || len(effects) > 0 {
			t.Errorf("Start %+v = %v, %v; want %q", e, effects, err, want)
		}
	}
}

// TestWants: what a rollout calls off when it turns round. A flip under way is not
// called off: its answer says which hosts are to go back.
func TestWants(t *testing.T) {
	for state, want := range map[deploy.State]string{
		deploy.Preparing: "build prepare flip check unlock",
		deploy.Aborted:   "unlock",
		deploy.RollBack:  "build flip unlock",
	} {
		var got []string
		for _, k := range []deploy.Kind{deploy.KindBuild, deploy.KindPrepare, deploy.KindFlip, deploy.KindCheck, deploy.KindUnlock} {
			if (deploy.Rollout{State: state}).Wants(k) {
				got = append(got, string(k))
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s wants %s; want %s", state, s, want)
		}
	}
}
