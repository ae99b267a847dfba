package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pushtrain/bot/irc"
	"pushtrain/bot/irc/irctest"
	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/fleet/fleettest"
	"pushtrain/deploy/host"
	"pushtrain/deploy/webserver"
)

// TestDoctor on real parts: all is well, or what is not is named with its cure.
func TestDoctor(t *testing.T) {
	server := irctest.Ngircd(t, irctest.Options{})
	h := fleettest.Start(t, 2)
	r := newRepo(t)
	r.commit("one")
	dir := t.TempDir()
	local := filepath.Join(dir, "princess")
	file := filepath.Join(dir, "config.yaml")
	text := configText(server.Addr(), "#push", filepath.Join(dir, "state"), h.Config,
		stackText{name: "web", repo: r.dir, root: "/srv/web", princess: fmt.Sprintf("{name: p1, local: true, root: %q}", local), prod: "host-1, host-2"})
	write(t, file, text, 0o644)
	doctor := func(args ...string) (int, string) {
		var out, errs bytes.Buffer
		code := run(append([]string{"-c", file, "doctor"}, args...), nil, &out, &errs)
		return code, out.String() + errs.String()
	}
	expect := func(code int, said string, want int, lines ...string) {
		t.Helper()
		if code != want {
			t.Errorf("exit %d, want %d:\n%s", code, want, said)
		}
		for _, line := range lines {
			if !strings.Contains(said, line) {
				t.Errorf("%q is not in:\n%s", line, said)
			}
		}
	}

	op := irctest.Dial(t, server.Addr(), "op")
	op.Join("#push")
	code, said := doctor()
	expect(code, said, 0, "ok    source: web: main holds ", "warn  irc: the bot is no operator",
		"warn  irc: irc.identity is auto, and the server tells no accounts",
		"ok    web/princess p1: "+local+": no release of ours yet, there is no folder yet, and it can be made",
		"ok    web/prod host-1: /srv/web: no release of ours yet, there is no folder yet")
	op.Expect(`^:pushbot!\S+ (QUIT|PART)`)
	op.Send("MODE #push +t")
	op.Sync()
	for _, stage := range []string{"princess", "prod"} {
		var out bytes.Buffer
		if code := run([]string{"-c", file, "deploy", "web", stage, "--yes"}, nil, &out, &out); code != 0 {
			t.Fatalf("deploy: exit %d: %s", code, out.String())
		}
	}
	h.Run("host-2", "rm /srv/web/current")
	code, said = doctor()
	expect(code, said, 1, "FAIL  irc: the channel is +t and the bot no operator: it can't write the topic; have services give it op when it joins, or /mode #push -t",
		"ok    web/prod host-1: /srv/web: yin is live with ", " a flip takes ",
		"warn  hosts: web/prod: host-2 serves nothing: there is no link; `pushtrain sync web prod host-2` brings it up")
	if left := h.Run("host-1", "ls -A /srv/web"); strings.Contains(left, "probe") {
		t.Errorf("a checkup has left: %s", left)
	}

	// With a bot running, that one is asked; and a host that is gone says why.
	op.Send("MODE #push -t")
	startBot(t, mustConfig(t, text))
	h.Stop("host-2")
	half := filepath.Join(dir, "state", "releases", "web", "releases", ".new-abc") // the bot archives just now
	write(t, half, "", 0o644)
	code, said = doctor("--json")
	if _, err := os.Lstat(half); err != nil {
		t.Errorf("doctor has meddled with the archive: %v", err)
	}
	var found []finding
	if err := json.Unmarshal([]byte(said), &found); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	has := func(want finding) {
		t.Helper()
		for _, f := range found {
			if f.Grade == want.Grade && f.What == want.What && strings.Contains(f.Text, want.Text) {
				return
			}
		}
		t.Errorf("no %+v in %s", want, said)
	}
	if code != exitFailed {
		t.Errorf("exit %d", code)
	}
	has(finding{Grade: fine, What: "irc", Text: "the bot that runs is in #push"})
	has(finding{Grade: fail, What: "web/prod host-2", Text: "unreachable"})
	has(finding{Grade: fine, What: "web/prod host-1", Text: "/srv/web: yin is live with "})

	// A stack that the bot has not read of yet.
	write(t, file, configText(server.Addr(), "#push", filepath.Join(dir, "state"), h.Config,
		stackText{name: "web", repo: r.dir, root: "/srv/web", princess: fmt.Sprintf("{name: p1, local: true, root: %q}", local), prod: "host-1"},
		stackText{name: "api", repo: r.dir, root: "/srv/api", princess: "unused", prod: "host-1"}), 0o644)
	_, said = doctor("--json")
	if err := json.Unmarshal([]byte(said), &found); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, f := range found {
		if f.What == "journal" && (!strings.HasPrefix(f.Text, "web: ") || strings.Contains(f.Text, "irc")) {
			t.Errorf("the journal's line: %q", f.Text)
		}
	}
	has(finding{Grade: fine, What: "journal", Text: "prod serves"})
}

// TestJudge: each thing that a host or a channel can be found to be.
func TestJudge(t *testing.T) {
	target := deploy.Target{Stack: "web", Stage: "prod"}
	well := fleet.Checkup{Name: "w1", Root: "/srv/web", Health: host.Health{Free: host.Need{Bytes: 1 << 30, Files: 1 << 20}, Flip: time.Millisecond}}
	for want, change := range map[string]func(*fleet.Checkup){
		"":                                  func(*fleet.Checkup) {},
		"FAIL  web/prod w1: no such host":   func(c *fleet.Checkup) { c.Err = errors.New("no such host") },
		"FAIL  web/prod w1: rsync 2":        func(c *fleet.Checkup) { c.Rsync = errors.New("rsync 2") },
		"FAIL  web/prod w1: no link":        func(c *fleet.Checkup) { c.Health.Fault = "no link" },
		"FAIL  web/prod w1: this key's":     func(c *fleet.Checkup) { c.Health.Shut = []string{"this key's command"} },
		"warn  web/prod w1: locked by bob":  func(c *fleet.Checkup) { c.Health.Holder = "locked by bob" },
		"warn  web/prod w1: it runs its":    func(c *fleet.Checkup) { c.Helper = "pushtrain-1" },
		"warn  web/prod w1: 9 inodes":       func(c *fleet.Checkup) { c.Health.Free.Files = 9 },
		"warn  web/prod w1: its clock is -": func(c *fleet.Checkup) { c.Skew = -time.Minute },
		"warn  web/prod w1: drain 10s is less than the 33s": func(c *fleet.Checkup) {
			c.Health.PHP = []webserver.PHP{{Name: "8.2 fpm", Reads: webserver.Reads{Longest: 30 * time.Second, Revalidate: 2 * time.Second}}}
		},
	} {
		c := well
		change(&c)
		var odd []string
		for _, f := range judgeHost(target, 10*time.Second, c) {
			if f.Grade != fine {
				odd = append(odd, f.String())
			}
		}
		if len(odd) > 1 || want == "" && len(odd) > 0 || want != "" && (len(odd) == 0 || !strings.HasPrefix(odd[0], want)) {
			t.Errorf("%q, want %q", odd, want)
		}
		if all := judgeHost(target, 10*time.Second, c); c.Health.Fault != "" && len(all) > 1 {
			t.Errorf("beside a fault it says %s", all[0])
		}
	}

	for want, change := range map[string]func(*Config, *irc.Online){
		"":                                  func(*Config, *irc.Online) {},
		"warn  irc: the nick pushbot is":    func(_ *Config, e *irc.Online) { e.Nick = "pushbot_" },
		"FAIL  irc: the channel is +t":      func(_ *Config, e *irc.Online) { e.Op = false },
		"warn  irc: the bot is no operator": func(_ *Config, e *irc.Online) { e.Op, e.TopicLock = false, false },
		"warn  irc: the server does not":    func(_ *Config, e *irc.Online) { e.TopicLen = 0 },
		"warn  irc: a topic has 100 bytes":  func(_ *Config, e *irc.Online) { e.TopicLen = 100 },
		"warn  irc: irc.identity is auto":   func(_ *Config, e *irc.Online) { e.Accounts = false },
		"warn  irc: somebody there is called \"pushb0t\", which looks like pushbot": func(_ *Config, e *irc.Online) {
			e.Members = []irc.Member{{Who: irc.Who{Nick: "pushb0t"}}, {Who: irc.Who{Nick: "pushbot"}}}
		},
		"warn  irc: somebody there is called \"\\u0430lice\", which looks like alice": func(c *Config, e *irc.Online) {
			c.IRC.Ops, e.Members = []string{"alice"}, []irc.Member{{Who: irc.Who{Nick: "аlice"}}}
		},
		"FAIL  irc: irc.identity is acc": func(c *Config, e *irc.Online) { c.IRC.Identity, e.Accounts = "account", false },
	} {
		cfg := defaultConfig()
		e := irc.Online{Nick: "pushbot", TopicLen: 300, Accounts: true, Op: true, TopicLock: true}
		change(&cfg, &e)
		var odd []string
		for _, f := range checkChannel(cfg, e) {
			if f.Grade != fine {
				odd = append(odd, f.String())
			}
		}
		if len(odd) > 1 || want == "" && len(odd) > 0 || want != "" && (len(odd) == 0 || !strings.HasPrefix(odd[0], want)) {
			t.Errorf("%q, want %q", odd, want)
		}
		cfg.IRC.ConfirmCode = true // makes up for accounts that are not told
		for _, f := range checkChannel(cfg, e) {
			if strings.Contains(f.Text, "can be the driver") {
				t.Errorf("with codes: %s", f)
			}
		}
	}
}

// TestDoctorState: a folder that the bot can't use.
func TestDoctorState(t *testing.T) {
	if f := checkState(Config{StateDir: "/nowhere/at/all"}); f.Grade != fail || !strings.Contains(f.Cure, "mkdir -m 700 /nowhere/at/all") {
		t.Errorf("%+v", f)
	}
	if f := checkState(Config{StateDir: t.TempDir()}); f.Grade != fine {
		t.Errorf("%+v", f)
	}
}

// TestDoctorReadsThePasswords of the page; what is wrong with them stops no push.
func TestDoctorReadsThePasswords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	write(t, file, "alice:secret\n", 0o600)
	if f := checkLogin(file); f.Grade != warn || !strings.HasPrefix(f.Text, file+":1: no bcrypt hash") || !strings.Contains(f.Cure, "htpasswd -B") {
		t.Errorf("a password as it is: %+v", f)
	}
	write(t, file, "", 0o600)
	if f := checkLogin(file); f.Grade != fine {
		t.Errorf("nobody yet: %+v", f)
	}
}

// TestDoctorHours: whether trains depart now, by the configuration, and whether its holidays have run out.
func TestDoctorHours(t *testing.T) {
	hours := func(more string) TrainConfig {
		return mustConfig(t, fmt.Sprintf("irc: {server: \"localhost:6667\", tls: false, channel: \"#push\"}\ntrain: {%s}\nstacks: [{name: web, root: /srv/web, source: {repo: /srv/git}, stages: [{name: prod, hosts: [a]}]}]\n", more)).Train
	}
	friday := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		conf string
		at   time.Time
		want string
	}{
		{`hours: "mon-thu 09:00-18:00, fri 09:00-16:00"`, friday, "ok    train.hours: trains depart until Fri 16:00 UTC"},
		{`hours: "mon-thu 09:00-18:00, fri 09:00-16:00", time_zone: Asia/Tokyo`, friday, "ok    train.hours: no train departs; the next ones do Mon 09:00 JST"},
		{`holidays: [{date: 2026-11-27, name: Black Friday}], time_zone: America/New_York`, friday, "ok    train.hours: no train departs; the next ones do Sat 00:00 EST"},
		{`holidays: [2025-12-25], hours: "mon-sun 00:00-24:00"`, friday, "warn  train.hours: trains depart; all holidays are over; list those to come in train.holidays"},
	} {
		if got := checkNow(hours(c.conf), c.at).String(); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.conf, got, c.want)
		}
	}
	if got := hoursOf(hours("")); got != "" {
		t.Errorf("without hours: %q", got)
	}
}
