package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"pushtrain/bot"
	"pushtrain/bot/irc"
	"pushtrain/bot/web"
	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/release"
	"pushtrain/train"
)

// grade is how much a finding matters.
type grade string

const (
	fine grade = "ok"
	warn grade = "warn"
	fail grade = "FAIL" // a push can't be made
)

// finding is one thing that the doctor has looked at.
type finding struct {
	Grade grade  `json:"grade"`
	What  string `json:"what"`           // such as "irc", "web/prod web1"
	Text  string `json:"text"`           // what was found
	Cure  string `json:"cure,omitempty"` // what to do about it
}

func (f finding) String() string {
	text := fmt.Sprintf("%-4s  %s: %s", f.Grade, f.What, f.Text)
	if f.Cure != "" {
		text += "; " + f.Cure
	}
	return text
}

const (
	ircPatience = 30 * time.Second // until the bot is in its channel
	leastRoom   = 1 << 30          // bytes free in the state directory, below which is warned
	leastFree   = 10_000           // inodes free on a host, likewise
	mostSkew    = 5 * time.Second  // of a host's clock: rsync and opcode caches go by times
	mayWrite    = 2 | 1            // of access(2): W_OK and X_OK
	leastTopic  = 200              // bytes of a topic that holds a few trains
)

func doctorCommand(o *options) *cobra.Command {
	var audit bool
	c := &cobra.Command{
		Use: "doctor", Short: "Try all that a push needs, and say how to mend what is not well", Args: cobra.NoArgs,
		Long: `Try all that a push needs: the configuration, the tools, the state directory, IRC,
and on every host login, rsync, room, clock, and a flip in a folder of its own. Nothing
live is touched. With no bot running it enters the channel as the bot for a moment.

Exit codes: 0 a push can be made; 1 something FAILs.`,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			found := examine(c.Context(), o, cfg, audit)
			failed := 0
			var lines []string
			for _, f := range found {
				if f.Grade == fail {
					failed++
				}
				if f.Grade != fine || !o.quiet {
					lines = append(lines, f.String())
				}
			}
			if o.json {
				writeJSON(c.OutOrStdout(), found)
			} else if len(lines) > 0 {
				fmt.Fprintln(c.OutOrStdout(), strings.Join(lines, "\n"))
			}
			if failed > 0 {
				return &exitError{code: exitFailed}
			}
			return c.Context().Err()
		},
	}
	c.Flags().BoolVar(&audit, "audit", false, "have all hosts read, beside their work, all of what they serve")
	return c
}

// examine looks at everything; what takes time, side by side.
func examine(ctx context.Context, o *options, cfg Config, audit bool) []finding {
	found := append([]finding{{fine, "config", "it is right", ""}}, checkTools(cfg)...)
	if file := cfg.Web.Auth.PasswordFile; file != "" {
		found = append(found, checkLogin(file))
	}
	if hoursOf(cfg.Train) != "" {
		found = append(found, checkNow(cfg.Train, time.Now()))
	}
	var parts sync.WaitGroup
	var sources, state, chat, hosts []finding
	parts.Go(func() { sources = checkSources(ctx, cfg) })
	parts.Go(func() {
		var status status
		var alone bool
		state, status, alone = o.checkBot(ctx, cfg, audit)
		switch {
		case alone:
			chat = enter(ctx, cfg)
		case status.Online:
			chat = []finding{{fine, "irc", "the bot that runs is in " + cfg.IRC.Channel, ""}}
		default:
			chat = []finding{awayFinding(cfg, status)}
		}
	})
	parts.Go(func() { hosts = checkHosts(ctx, cfg) })
	parts.Wait()
	return slices.Concat(found, sources, []finding{checkState(cfg)}, state, chat, hosts)
}

// checkTools looks for the programs that are called here.
func checkTools(cfg Config) []finding {
	var found []finding
	for _, name := range toolsOf(cfg) {
		path, err := exec.LookPath(name)
		if err != nil {
			found = append(found, finding{fail, "tools", name + " is missing", "apt-get install " + toolPackages[name]})
			continue
		}
		found = append(found, finding{fine, "tools", path, ""})
	}
	return found
}

// checkNow says whether trains depart, and that a list of holidays has run out.
func checkNow(c TrainConfig, now time.Time) finding {
	h := calendarOf(c).At(now)
	text := "trains depart"
	switch {
	case h.Closed:
		text = "no train departs; the next ones do " + h.Says(now)
	case !h.Until.IsZero():
		text = "trains depart until " + h.Says(now)
	}
	over := !slices.ContainsFunc(c.Holidays, func(o HolidayConfig) bool { return o.Date >= now.UTC().Format(time.DateOnly) })
	if len(c.Holidays) > 0 && over {
		return finding{warn, "train.hours", text + "; all holidays are over", "list those to come in train.holidays"}
	}
	return finding{fine, "train.hours", text, ""}
}

// checkLogin reads the passwords of the page as the page will.
func checkLogin(file string) finding {
	if err := web.CheckPasswords(file); err != nil {
		return finding{warn, "web.auth", err.Error(), "nobody can log in to the page: make the file with `htpasswd -B -c " + file + " USER`, for the user that the bot runs as"}
	}
	return finding{fine, "web.auth", file + " can be read", ""}
}

// checkState looks at the disk of the state directory, which checkBot has made and read.
func checkState(cfg Config) finding {
	var st syscall.Statfs_t
	err := syscall.Statfs(cfg.StateDir, &st)
	free := st.Bavail * uint64(st.Bsize)
	switch {
	case err != nil:
		return finding{fail, "state_dir", fmt.Sprintf("%s: %v", cfg.StateDir, err), "make it, for the user that the bot runs as: mkdir -m 700 " + cfg.StateDir}
	case syscall.Access(cfg.StateDir, mayWrite) != nil:
		return finding{fail, "state_dir", cfg.StateDir + " can't be written", "run doctor as the user that the bot runs as, and give that user the folder"}
	case free < leastRoom:
		return finding{warn, "state_dir", fmt.Sprintf("%s has %d MiB left", cfg.StateDir, free>>20), "the journal and all releases are there: make room, or lower keep"}
	}
	return finding{fine, "state_dir", fmt.Sprintf("%s has %d MiB left", cfg.StateDir, free>>20), ""}
}

// checkBot asks the bot, or with none the journal, how all stands. alone = no bot runs.
func (o *options) checkBot(ctx context.Context, cfg Config, audit bool) (found []finding, s status, alone bool) {
	var last bot.Reply
	var said []string
	hear := func(r bot.Reply) {
		if last = r; r.Line != "" {
			said = append(said, r.Line)
		}
	}
	req := bot.Request{Do: "status", Audit: audit, By: shellUser()}
	_, err := bot.Call(ctx, cfg.StateDir, req, hear)
	if alone = errors.Is(err, bot.ErrNoBot); alone {
		_, err = o.alone(ctx, cfg, req, hear)
	}
	if err != nil {
		return []finding{{fail, "journal", err.Error(), ""}}, s, alone
	}
	if s, err = readStatus(last.Data); err != nil {
		return []finding{{fail, "bot", fmt.Sprintf("its answer can't be read: %v", err), "restart it: it is of another version than this program"}}, s, alone
	}
	said = slices.DeleteFunc(said, func(line string) bool {
		stack, _, _ := strings.Cut(line, ": ")
		return !slices.ContainsFunc(cfg.Stacks, func(s StackConfig) bool { return s.Name == stack })
	})
	found = append(found, finding{fine, "journal", strings.Join(said, "; "), ""})
	for _, line := range s.Odd {
		found = append(found, finding{warn, "hosts", line, ""})
	}
	return found, s, alone
}

// awayFinding is about a bot that runs and is not in its channel.
func awayFinding(cfg Config, s status) finding {
	f := finding{fail, "irc", "the bot that runs is not in " + cfg.IRC.Channel, "its log says why; stop it, and doctor tries by itself"}
	if s.Away != "" {
		f.Text += ": " + s.Away
		f.Cure = s.Cure
	}
	return f
}

// status is what doctor reads of the answer to `status`.
type status struct {
	Online bool     `json:"online"`
	Away   string   `json:"away"` // why it is not online; "" = it has not tried yet
	Cure   string   `json:"cure"`
	Odd    []string `json:"odd"`
}

// readStatus reads it, whether it came through the socket or not.
func readStatus(data any) (s status, err error) {
	b, err := json.Marshal(data)
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	return s, err
}

// enter joins the channel as the bot, and leaves it.
func enter(ctx context.Context, cfg Config) []finding {
	known, err := readSecrets(cfg)
	if err != nil {
		return []finding{{fail, "irc", err.Error(), ""}}
	}
	c, err := ircConfig(cfg, known, zerolog.Nop())
	if err != nil {
		return []finding{{fail, "irc", err.Error(), ""}}
	}
	var found []finding
	if c.TLS != nil && !cfg.IRC.TLS {
		found = append(found, finding{warn, "irc", cfg.IRC.Server + " has asked for TLS (STS), and is reached as " + c.Server, "write that into irc.server, and remove `tls: false`"})
	}
	c.Upgraded = nil // the bot writes it down
	ctx, leave := context.WithTimeout(ctx, ircPatience)
	defer leave()
	events := make(chan irc.Event)
	ran := make(chan error, 1)
	go func() { ran <- irc.New(c).Run(ctx, events) }()
	for {
		select {
		case e := <-events:
			switch e := e.(type) {
			case irc.Online:
				leave()
				<-ran
				cfg.IRC.TLS = cfg.IRC.TLS || len(found) > 0 // it was asked for
				return append(found, checkChannel(cfg, e)...)
			case irc.Offline:
				grade := fail
				if upgrade := (*irc.WantsTLS)(nil); errors.As(e.Err, &upgrade) && upgrade.Port != 0 {
					grade = warn // the next try goes there
				}
				found = append(found, finding{grade, "irc", train.Visible(fmt.Sprintf("%s: %v", cfg.IRC.Server, e.Err)), irc.Cure(e.Err)})
				if grade == warn {
					continue
				}
				leave()
				<-ran
				return found
			}
		case err := <-ran:
			if err == nil {
				err = fmt.Errorf("the bot is not in %s after %s", cfg.IRC.Channel, ircPatience)
			}
			return append(found, finding{fail, "irc", fmt.Sprintf("%s: %v", cfg.IRC.Server, err), ""})
		}
	}
}

// checkChannel is what the bot has found in its channel.
func checkChannel(cfg Config, e irc.Online) []finding {
	how := "TLS"
	if !cfg.IRC.TLS {
		how = "plain text"
	}
	if cfg.IRC.SASL.Mechanism != "" {
		how += ", logged in by SASL " + cfg.IRC.SASL.Mechanism
	}
	found := []finding{{fine, "irc", fmt.Sprintf("%s over %s, in %s as %s", cfg.IRC.Server, how, cfg.IRC.Channel, e.Nick), ""}}
	say := func(g grade, text, cure string) { found = append(found, finding{g, "irc", text, cure}) }
	if e.Nick != cfg.IRC.Nick {
		say(warn, "the nick "+cfg.IRC.Nick+" is taken", "who has it? A second bot would fight for the topic")
	}
	switch {
	case e.TopicLock && !e.Op:
		say(fail, "the channel is +t and the bot no operator: it can't write the topic", fmt.Sprintf("have services give it op when it joins, or /mode %s -t", cfg.IRC.Channel))
	case !e.Op:
		say(warn, "the bot is no operator: when the channel is set +t it can't write the topic", "have services give it op when it joins")
	}
	switch {
	case e.TopicLen == 0:
		say(warn, "the server does not say how long a topic may be", "")
	case e.TopicLen < leastTopic:
		say(warn, fmt.Sprintf("a topic has %d bytes here: a long queue ends in `… +n`", e.TopicLen), "raise the server's limit")
	}
	for _, m := range e.Members {
		for _, known := range append([]string{cfg.IRC.Nick}, cfg.IRC.Ops...) {
			if e.Casemap.Alike(m.Nick, known) {
				say(warn, fmt.Sprintf("somebody there is called %+q, which looks like %s", m.Nick, known), "they are not taken for "+known+", but people may")
			}
		}
	}
	switch mode := cfg.IRC.Identity; {
	case mode == "account" && !e.Accounts:
		say(fail, "irc.identity is account, and the server tells no accounts: nobody can do anything", "set it to auto, or hostmask")
	case !e.Accounts && cfg.IRC.ConfirmCode:
		say(fine, "the server tells no accounts: a rollout needs the code that its driver was sent", "")
	case !e.Accounts:
		say(warn, fmt.Sprintf("irc.identity is %s, and the server tells no accounts: whoever takes a driver's nick can be the driver", mode), "use a server with services and account-notify, or say `confirm_code: true`")
	default:
		say(fine, "the server tells everybody's account", "")
	}
	return found
}

// checkSources asks each stack's repository for what would be shipped.
func checkSources(ctx context.Context, cfg Config) []finding {
	found := make([]finding, len(cfg.Stacks))
	var asked sync.WaitGroup
	for i, s := range cfg.Stacks {
		asked.Go(func() {
			commit, err := release.Holds(ctx, s.Source.Repo, s.Source.Branch)
			found[i] = finding{fine, "source", fmt.Sprintf("%s: %s holds %.12s", s.Name, s.Source.Branch, commit), ""}
			if err != nil {
				found[i] = finding{fail, "source", fmt.Sprintf("%s: %v", s.Name, err), "see source.repo and source.branch, and whether this user may read it"}
			}
		})
	}
	asked.Wait()
	return found
}

// checkHosts has all hosts try what a rollout will do.
func checkHosts(ctx context.Context, cfg Config) []finding {
	c := fleetConfig(cfg)
	c.Beside = true
	f, err := fleet.Open(c)
	if err != nil {
		return []finding{{fail, "hosts", err.Error(), ""}}
	}
	var asked sync.WaitGroup
	var parts [][]finding
	for _, s := range cfg.Stacks {
		for _, g := range s.Stages {
			i := len(parts)
			parts = append(parts, nil)
			t := deploy.Target{Stack: s.Name, Stage: g.Name}
			asked.Go(func() {
				var found []finding
				for _, c := range f.Checkup(ctx, t) {
					found = append(found, judgeHost(t, s.Drain, c)...)
				}
				parts[i] = found
			})
		}
	}
	asked.Wait()
	if err := f.Close(); err != nil {
		parts = append(parts, []finding{{warn, "hosts", err.Error(), ""}})
	}
	return slices.Concat(parts...)
}

// judgeHost reads what a host has found.
func judgeHost(t deploy.Target, drain time.Duration, c fleet.Checkup) []finding {
	var found []finding
	say := func(g grade, text, cure string) {
		found = append(found, finding{g, t.String() + " " + c.Name, text, cure})
	}
	if c.Err != nil {
		say(fail, c.Err.Error(), "")
		return found
	}
	h := c.Health
	if c.Rsync != nil {
		say(fail, c.Rsync.Error(), "")
	}
	if h.Fault != "" {
		say(fail, h.Fault, "give its user the folder, on a file system that is not read-only")
	}
	for _, why := range h.Shut {
		say(fail, why, "")
	}
	if h.Holder != "" {
		say(warn, h.Holder, "another rollout runs, or another bot ships here")
	}
	if c.Helper != "" {
		say(warn, fmt.Sprintf("it runs its own pushtrain (%s), of another build than this one", c.Helper), "install this one there: authorized_keys names which")
	}
	if h.Free.Files < leastFree {
		say(warn, fmt.Sprintf("%d inodes are left", h.Free.Files), "")
	}
	if c.Skew.Abs() > mostSkew {
		say(warn, fmt.Sprintf("its clock is %s off", c.Skew.Round(100*time.Millisecond)), "run an NTP client there")
	}
	for _, p := range h.PHP {
		for _, w := range p.Warnings(drain) {
			say(warn, w, "")
		}
	}
	if h.Fault != "" {
		return found
	}
	state := "no release of ours yet"
	if c.Standing.Live != "" {
		state = string(c.Standing.Live) + " is live"
		if seal, ok := c.Standing.Sides[c.Standing.Live]; ok {
			state += " with " + seal.Release
		}
	}
	flip := "there is no folder yet, and it can be made"
	if h.Flip > 0 {
		flip = "a flip takes " + h.Flip.Round(10*time.Microsecond).String()
	}
	g := finding{fine, t.String() + " " + c.Name, fmt.Sprintf("%s: %s, %s, %d MiB free, clock %s off", c.Root, state, flip, h.Free.Bytes>>20, c.Skew.Abs().Round(time.Millisecond)), ""}
	return append([]finding{g}, found...)
}
