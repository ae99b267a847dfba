package web

import (
	"slices"
	"testing"
	"time"

	"pushtrain/bot"
	"pushtrain/bot/web/webtest"
)

// TestLook draws every page in a real browser: wide and on a phone, light and dark.
// Nothing stands out to the right, and the console is silent.
func TestLook(t *testing.T) {
	b := webtest.Open(t)
	src := newShown(t, busy(time.Now()))
	src.say(t, 119, "2026-11-25T14:31:57Z FENCE\n2026-11-25T14:31:58Z web1: fence done: yin is live with 21949fc6de3a, yang holds 0c8d1fe20aa0\n2026-11-25T14:31:58Z PREPARE\n2026-11-25T14:32:01Z web1: prepare done\n2026-11-25T14:32:03Z web4: STDERR: rsync: [receiver] slow disk <sda>, going on\n")
	src.say(t, 100, "2026-11-25T14:31:57Z BUILD\n2026-11-25T14:31:58Z running make dist\n2026-11-25T14:31:58Z STDERR: warning: "+"something long that goes on and on and has to be broken somewhere or it stands out to the right of a phone"+"\n2026-11-25T14:31:58Z DONE \n")
	site, _ := serve(t, New(pageConfig(), src), "127.0.0.1:0")
	p := b.Page(1180, 900)
	for path, name := range map[string]string{"/": "now", "/log": "log", "/rollouts/119": "rollout", "/rollouts/100": "ended", "/stats": "stats", "/log?who=nobody": "nothing"} {
		for _, dark := range []bool{false, true} {
			for _, width := range []int{1180, 400} {
				shot := name
				if dark {
					shot += "-dark"
				}
				if width == 400 {
					shot += "-phone"
				}
				p.Dark(dark)
				p.Size(width, 900)
				p.Go(site + path)
				if over, of := p.Wide(); over > 0 {
					t.Errorf("%s at %d pixels stands out by %d: %s", path, width, over, of)
				}
				p.Shot(shot)
			}
		}
	}
	if c := p.Complaints(); len(c) > 0 {
		t.Errorf("the console says: %q", c)
	}
}

// TestOpenStays: what a person has opened stays open while the page changes around it.
func TestOpenStays(t *testing.T) {
	src := newShown(t, busy(time.Now()))
	site, _ := serve(t, New(pageConfig(), src), "127.0.0.1:0")
	p := webtest.Open(t).Page(1180, 900)
	p.Go(site + "/")
	p.Until(`document.body.dataset.live === "1"`)
	p.Eval(`document.querySelector(".brings summary").click()`, nil)
	src.set(func(v *bot.View) {
		v.Stacks = slices.Clone(v.Stacks)
		v.Stacks[0].Commits = v.Stacks[0].Commits[:1]
	})
	p.UntilText(".brings summary", "1 commit;")
	p.Until(`document.querySelector(".brings").open && !document.querySelector(".logged details").open`)
}
