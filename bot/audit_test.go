package bot

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushtrain/bot/irc"
	"pushtrain/train"
)

// audited is what a record says of who did what, or was refused what.
type audited struct {
	By    train.Who
	Known string
	Type  string // of the event; for a refusal what was asked
	Code  string // of the refusal; "" = it was done
}

// audited reads the records behind number from that people caused.
func (s *stage) audited(from uint64) (all []audited) {
	s.t.Helper()
	for rec, err := range s.store.Records(from + 1) {
		if err != nil {
			s.t.Fatal(err)
		}
		if rec.Kind == kindDeploy {
			continue
		}
		a, asked := audited{Type: rec.Type}, struct{ Event any }{}
		if err := errors.Join(json.Unmarshal(rec.Body, &a), json.Unmarshal(rec.Body, &asked)); err != nil {
			s.t.Fatal(err)
		}
		if rec.Kind == kindRefusal {
			a.Type = fmt.Sprint(asked.Event)
		}
		if a.By.Nick != "" && a.Type != "Heard" {
			all = append(all, a)
		}
		if rec.At.IsZero() {
			s.t.Errorf("record %d has no time", rec.Seq)
		}
	}
	return all
}

// deedless are the lines of the table that change nothing.
var deedless = strings.Fields("queue status eta stats help version")

// TestAudit: whatever changes something, by whichever way it is said, has an entry of
// who did it, how that was known, and what it was; and so has what is refused. A
// command that is new is missing here until it has its lines.
func TestAudit(t *testing.T) {
	type row struct {
		before  string // lines, by "; "
		does    string // alice's
		kind    string // of the entry
		refused string // somebody's; "" = it never is
		code    string
	}
	const up, live = "alice> .join", "alice> .join; alice> .princess; web/princess ok; alice> .prod; web/prod ok"
	rows := map[string]row{
		"join":     {"", ".join", "Join", "alice> .join", "twice"},
		"leave":    {up, ".leave", "Leave", "carol> .leave", "not in the queue"},
		"pop":      {up, ".pop", "Leave", "carol> .pop", "not in the queue"},
		"drive":    {up + "; bob> .join with alice", ".drive bob", "Drive", "carol> .drive", "not in the queue"},
		"good":     {up, ".good", "Vote", "carol> .good", "not in the queue"},
		"uhoh":     {up, ".uhoh", "Vote", "carol> .uhoh", "not in the queue"},
		"princess": {up, ".princess", "Step", "bob> .princess", "not in the queue"},
		"prod":     {up + "; alice> .princess; web/princess ok", ".prod", "Step", "bob> .prod", "not in the queue"},
		"confirm":  {"stacks web: princess prod?; bob> .join; alice> .join with bob; bob> .princess; web/princess ok; alice> .good; bob> .prod", ".confirm", "Confirm", "carol> .confirm", "not in the queue"},
		"at":       {up, ".at princess", "At", "bob> .at princess", "not driver"},
		"done":     {up, ".done", "Done", "bob> .done", "not in the queue"},
		"abort":    {up + "; alice> .princess; web/princess at build", ".abort", "Abort", "carol> .abort", ""},
		"rollback": {live + "; alice> .done; " + live, ".rollback", "Rollback", "carol> .rollback", ""},
		"hold":     {"", ".hold db", "Halt", "alice> .hold again", ""},
		"unhold":   {"bob> .hold db", ".unhold", "Lift", "carol> .unhold", ""},
		"hotfix":   {"", ".hotfix payments", "Hotfix", "carol> .hotfix", "no reason"},
		"kick":     {"bob> .join", ".kick bob", "Kick", "carol> .kick nobody", ""},
		"message":  {"", ".message slush", "Note", "carol> .message", "usage"},
		"topic":    {"", ".topic", "Topic", "", ""}, // never refused, unless the bot may not set it either
		"log":      {"", ".log hotfix", "Log", "carol> .log", "usage"},
		"quiet":    {"", ".quiet", "Quiet", "carol> .quiet off", "same"},
	}
	for _, c := range Commands(train.Rules{Stacks: []train.Stack{{Name: "web", Stages: []train.Stage{{Name: "princess"}, {Name: "prod"}}}}}) {
		r, ok := rows[c.Name]
		if ok == slices.Contains(deedless, c.Name) {
			t.Errorf(".%s changes something and is not looked at, or the other way round", c.Name)
		}
		if !ok {
			continue
		}
		for _, way := range []string{"irc", "page"} {
			if c.parse == nil && way == "page" {
				continue // no button
			}
			t.Run(c.Name+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t)
					defer s.end()
					if r.before != "" {
						s.play(strings.Split(r.before, "; ")...)
					}
					if err := s.ensure(); err != nil {
						t.Fatal(err)
					}
					say := func(who, text string) []audited {
						s.settled()
						from := s.store.Last()
						time.Sleep(2 * time.Minute) // another refusal is another entry
						if way == "page" {
							s.pressed(Person{User: who + "@page", Nick: who}, strings.TrimPrefix(text, "."))
						} else {
							s.see(irc.Said{From: s.here(who), Text: text})
						}
						s.settled()
						return s.audited(from)
					}
					check := func(what string, all []audited, nick string, ok func(audited) bool) {
						t.Helper()
						for _, a := range all {
							known, web := "hostmask", ""
							if way == "page" {
								known, web = "page", nick+"@page"
							}
							if a.By.Nick == nick && a.By.User == nick && a.By.Host == nick+".example" && a.By.Web == web && a.Known == known && ok(a) {
								return
							}
						}
						t.Errorf("%s has no entry, only %+v", what, all)
					}
					check(r.does, say("alice", r.does), "alice", func(a audited) bool { return a.Type == r.kind && a.Code == "" })
					if r.refused == "" {
						return
					}
					who, text, _ := strings.Cut(r.refused, "> ")
					check(r.refused, say(who, text), who, func(a audited) bool {
						return a.Code != "" && (a.Code == r.code || r.code == "") && (a.Type == r.kind || a.Type == c.Name)
					})
				})
			})
		}
	}
}

// TestAuditElsewhere: what is refused before it is read, and what the shell asks for.
func TestAuditElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.cfg.Reread = func([]string) (*Change, int, []string) {
			return nil, ExitUsage, []string{"train.cap: must be at least 1"}
		}
		s.play("alice> .join")
		has := func(what string, ok func(audited) bool, ask func()) {
			t.Helper()
			s.settled()
			from := s.store.Last()
			time.Sleep(2 * time.Minute)
			ask()
			s.settled()
			if all := s.audited(from); !slices.ContainsFunc(all, ok) {
				t.Errorf("%s has no entry, only %+v", what, all)
			}
		}
		has("a rollout in private", func(a audited) bool {
			return a.By.Nick == "alice" && a.Type == "princess" && a.Code == "private" && a.Known == "hostmask"
		}, func() { s.see(irc.Said{From: s.here("alice"), Private: true, Text: ".princess"}) })
		has("a stranger", func(a audited) bool {
			return a.By == train.Who{Nick: "eve", User: "e", Host: "away.example", Account: "ev"} && a.Type == "join" && a.Code == "not here"
		}, func() {
			s.see(irc.Said{From: irc.Who{Nick: "eve", User: "e", Host: "away.example", Account: "ev"}, Private: true, Text: ".join"})
		})
		has("somebody on the page who is not in the channel", func(a audited) bool {
			return a.By == train.Who{Nick: "eve", Account: "ev", Web: "eve@page"} && a.Type == "prod" && a.Code == "not here" && a.Known == "page"
		}, func() { s.pressed(Person{User: "eve@page", Nick: "eve", Account: "ev"}, "prod web") })
		has("a hand in the topic", func(a audited) bool { return a.By.Nick == "bob" && a.Type == "Edited" },
			func() { s.see(irc.Topic{Text: "alice + bob", By: s.here("bob"), Exists: true}) })

		shell := func(do, code string, r Request) {
			t.Helper()
			kind := map[string]string{"deploy": "Ship", "rollback": "Rollback", "sync": "Sync", "abort": "Abort", "hold": "Halt", "unhold": "Lift", "log": "Log", "reload": "Log"}[do]
			if do == "reload" && code != "" {
				kind = do
			}
			has(do+" "+code, func(a audited) bool {
				return a.By.Nick == "root" && a.By.Shell && a.Known == "shell" && a.Type == kind && a.Code == code
			}, func() {
				r.Do, r.By = do, "root"
				if _, err := s.bot.Ask(t.Context(), r, func(Reply) {}); err != nil {
					t.Error(err)
				}
			})
		}
		shell("log", "", Request{Text: "hotfix"})
		shell("unhold", "not held", Request{})
		shell("abort", "nothing runs", Request{Stack: "web"})
		shell("rollback", "nothing live", Request{Stack: "web", Stage: "prod"})
		shell("sync", "nothing live", Request{Stack: "web", Stage: "prod", Host: "web1"})
		shell("deploy", "not your turn", Request{Stack: "web", Stage: "prod"})
		shell("hold", "", Request{Text: "db"})
		from := s.store.Last()
		shell("deploy", "", Request{Stack: "web", Stage: "princess", Override: "the fix"})
		why := false
		for rec, err := range s.store.Records(from + 1) {
			if err != nil {
				t.Fatal(err)
			}
			why = why || rec.Type == "Ship" && strings.Contains(string(rec.Body), `"Override":"the fix"`)
		}
		if !why {
			t.Error("the journal does not say why the gates were passed over")
		}
		shell("abort", "", Request{Stack: "web"})
		shell("unhold", "", Request{})
		shell("reload", "reload", Request{})
	})
}

// TestAuditIsRead: what the journal holds, in lines: the newest, none older than asked
// for, with nothing in them that a terminal does not show.
func TestAuditIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.known["al\u202eice"] = irc.Who{Nick: "al\u202eice", User: "a", Host: "h", Account: "alicia"}
		s.members = append(s.members, s.known["al\u202eice"])
		s.play("alice> .join", "alice> .princess", "web/princess ok", "al\u202eice> .hold db", "bob> .prod", "bob> .prod", "$ root: hold web")
		read := func(since time.Time) []string {
			var lines []string
			exit, err := s.bot.Ask(t.Context(), Request{Do: "audit", Since: since}, func(r Reply) {
				if r.Line != "" {
					lines = append(lines, r.Line)
				}
			})
			if exit != ExitDone || err != nil {
				t.Fatalf("exit %d, %v", exit, err)
			}
			return lines
		}
		time.Sleep(2 * time.Minute) // then it is known how often bob was refused
		began := time.Now()
		s.play("carol> .log hotfix")
		all := strings.Join(read(time.Time{}), "\n")
		for _, want := range []string{
			"alice!alice@alice.example, known by hostmask: Join {", `alice!alice@alice.example, known by hostmask: Step {"Stage":"princess"`, "  rollout: Start {", `  rollout 1: Verified {"Host":"princess1"}`,
			`al<U+202E>ice!a@h, account alicia, known by hostmask: Halt {"Stack":"","Why":"db"}`, "bob!bob@bob.example, known by hostmask: Step refused: you drive no train: .join takes a seat", "root, known by shell: Halt {", "carol!",
		} {
			if !strings.Contains(all, want) {
				t.Errorf("%q is not in\n%s", want, all)
			}
		}
		if train.Visible(strings.ReplaceAll(all, "\n", "")) != strings.ReplaceAll(all, "\n", "") {
			t.Errorf("something in it is not seen: %+q", all)
		}
		if late := read(began); len(late) != 1 || !strings.Contains(late[0], `Log {"Text":"hotfix"}`) {
			t.Errorf("since then: %q", late)
		}
		for range 3 * entriesShown {
			time.Sleep(time.Minute) // as fast as one may speak
			s.see(irc.Said{From: s.here("carol"), Text: ".quiet; .quiet off"})
		}
		s.settled()
		if many := read(time.Time{}); len(many) != entriesShown || !strings.Contains(many[len(many)-1], "Quiet") {
			t.Errorf("%d lines, the last one %q", len(many), many[len(many)-1])
		}
	})
}
