package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"pushtrain/bot"
	"pushtrain/bot/irc"
	"pushtrain/bot/tell"
)

func deployCommand(o *options) *cobra.Command {
	var yes bool
	var override string
	c := &cobra.Command{
		Use: "deploy STACK STAGE", Short: "Roll a stage out from the shell", Args: cobra.ExactArgs(2), ValidArgsFunction: o.complete,
		RunE: func(c *cobra.Command, args []string) error {
			req := bot.Request{Do: "deploy", Stack: args[0], Stage: args[1], Override: override, Follow: true}
			return o.rollout(c, req, yes)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().StringVar(&override, "override", "", "pass over holds, turns and the size of the release, and say `WHY`: it is recorded and announced")
	c.Flags().BoolVarP(&o.dryRun, "dry-run", "n", false, "say what would happen, touch nothing")
	return c
}

func rollbackCommand(o *options) *cobra.Command {
	var yes bool
	var why string
	c := &cobra.Command{
		Use: "rollback STACK STAGE", Short: "Flip a stage back to the release before", Args: cobra.ExactArgs(2), ValidArgsFunction: o.complete,
		RunE: func(c *cobra.Command, args []string) error {
			return o.rollout(c, bot.Request{Do: "rollback", Stack: args[0], Stage: args[1], Text: why, Follow: true}, yes)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	c.Flags().StringVar(&why, "why", "", "the `REASON`, for the journal and for the hold that a rollback sets")
	c.Flags().BoolVarP(&o.dryRun, "dry-run", "n", false, "say what would happen, touch nothing")
	return c
}

func syncCommand(o *options) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "sync STACK STAGE HOST", Short: "Bring one host up to what its stage serves", Args: cobra.ExactArgs(3), ValidArgsFunction: o.complete,
		RunE: func(c *cobra.Command, args []string) error {
			return o.rollout(c, bot.Request{Do: "sync", Stack: args[0], Stage: args[1], Host: args[2], Follow: true}, yes)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// rollout checks a request, asks for confirmation and shows it through to its end.
func (o *options) rollout(c *cobra.Command, req bot.Request, yes bool) error {
	cfg, err := o.load()
	if err != nil {
		return err
	}
	if req.Stack, err = stackOf(cfg, req.Stack); err != nil {
		return err
	}
	hosts, err := hostsOf(cfg, req.Stack, req.Stage)
	if err != nil {
		return err
	}
	if req.Host != "" {
		if !slices.Contains(hosts, req.Host) {
			return exit(exitUsage, "%s/%s has no host %s: it is one of %s", req.Stack, req.Stage, req.Host, strings.Join(hosts, ", "))
		}
		hosts = []string{req.Host}
	}
	if o.dryRun {
		release, err := o.mayNow(c, cfg, req)
		if err != nil {
			return err
		}
		back := ""
		if release != "" {
			back = " to " + release
		}
		text := fmt.Sprintf("dry run: %s %s/%s%s would go to %s; nothing was touched", req.Do, req.Stack, req.Stage, back, strings.Join(hosts, ", "))
		o.tell(c.OutOrStdout(), text, map[string]any{"do": req.Do, "stack": req.Stack, "stage": req.Stage, "hosts": hosts, "release": release})
		return nil
	}
	if !yes {
		if err := confirm(c, req, hosts); err != nil {
			return err
		}
	}
	p := newProgress(c.OutOrStdout(), c.ErrOrStderr(), o)
	return o.ask(c.Context(), cfg, req, p.show)
}

// mayNow asks the running bot whether it would refuse a rollout, and which release a rollback would
// go back to; "" = it is not known. With no bot it can't be told without opening the journal, and a dry run touches nothing.
func (o *options) mayNow(c *cobra.Command, cfg Config, req bot.Request) (release string, err error) {
	req.Do, req.By = "dry-"+req.Do, shellUser()
	said := ""
	code, err := bot.Call(c.Context(), cfg.StateDir, req, func(r bot.Reply) { said += r.Line })
	switch {
	case errors.Is(err, bot.ErrNoBot):
		if !o.quiet {
			fmt.Fprintln(c.ErrOrStderr(), "pushtrain: no bot runs that could tell whether it may go now")
		}
		return "", nil
	case err != nil:
		return "", exit(max(code, exitFailed), "dry run: %w", err)
	case code != 0:
		return "", exit(code, "dry run: it would be refused: %s", said)
	}
	return said, nil
}

// confirm has the stack's name typed on a terminal, and asks for --yes off one.
func confirm(c *cobra.Command, req bot.Request, hosts []string) error {
	f, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return exit(exitUsage, "%s %s/%s: not on a terminal, so say --yes", req.Do, req.Stack, req.Stage)
	}
	fmt.Fprintf(c.ErrOrStderr(), "%s %s/%s on %s? Type %s: ", req.Do, req.Stack, req.Stage, strings.Join(hosts, ", "), req.Stack)
	answer := make(chan string, 1)
	go func() { // a read of a terminal can't be called off: it ends with the program
		line, _ := bufio.NewReader(f).ReadString('\n') // what came before an end of file is the answer
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-c.Context().Done():
		fmt.Fprintln(c.ErrOrStderr())
		return exit(exitInterrupted, "not confirmed, nothing was done")
	case text := <-answer:
		if text != req.Stack {
			return exit(exitNotNow, "not confirmed, nothing was done")
		}
		return nil
	}
}

// simple is a command that asks and prints.
func (o *options) simple(use, short string, args cobra.PositionalArgs, req func(args []string) bot.Request) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			req := req(args)
			if req.Stack != "" {
				if req.Stack, err = stackOf(cfg, req.Stack); err != nil {
					return err
				}
			}
			return o.ask(c.Context(), cfg, req, o.print(req, c.OutOrStdout(), c.ErrOrStderr()))
		},
	}
}

// print shows the lines of an answer, with --json its data instead. Why a request
// was refused, or what is wrong with the journal, goes to stderr.
func (o *options) print(req bot.Request, out, errs io.Writer) func(bot.Reply) {
	var lines []string
	return func(r bot.Reply) {
		switch {
		case !r.Over:
			lines = append(lines, r.Line)
		case r.Exit != 0 && !(r.Exit == bot.ExitLook && req.Do == "status"):
			fmt.Fprintln(errs, "pushtrain:", strings.Join(lines, "\n"))
		case o.json && r.Data != nil:
			writeJSON(out, r.Data)
		case !o.json && len(lines) > 0:
			fmt.Fprintln(out, strings.Join(lines, "\n"))
		}
	}
}

// withStack is a simple command that may be given a stack.
func (o *options) withStack(use, short string, req func(stack string) bot.Request) *cobra.Command {
	c := o.simple(use, short, cobra.MaximumNArgs(1), func(args []string) bot.Request { return req(arg(args, 0)) })
	c.ValidArgsFunction = o.complete
	return c
}

// complete offers the stacks of the configuration, and behind a stack its stages.
func (o *options) complete(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := o.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var words []string
	for _, s := range cfg.Stacks {
		if len(args) == 0 {
			words = append(words, s.Name)
		}
		for _, g := range s.Stages {
			if len(args) == 1 && s.Name == args[0] && strings.Count(c.Use, " ") > 1 {
				words = append(words, g.Name)
			}
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

func abortCommand(o *options) *cobra.Command {
	return o.withStack("abort [STACK]", "Stop a rollout before its flip; after it, flip back",
		func(stack string) bot.Request { return bot.Request{Do: "abort", Stack: stack} })
}

func holdCommand(o *options) *cobra.Command {
	var stack string
	c := o.simple("hold [WHY]", "Hold every lane, or one", cobra.MaximumNArgs(1),
		func(args []string) bot.Request { return bot.Request{Do: "hold", Stack: stack, Text: arg(args, 0)} })
	c.Flags().StringVar(&stack, "stack", "", "hold the lane of this `STACK` only")
	return c
}

func unholdCommand(o *options) *cobra.Command {
	return o.withStack("unhold [STACK]", "Lift all holds, or those of one lane",
		func(stack string) bot.Request { return bot.Request{Do: "unhold", Stack: stack} })
}

// someText wants one argument that says something, or none.
func someText(c *cobra.Command, args []string) error {
	if err := cobra.MaximumNArgs(1)(c, args); err != nil {
		return err
	}
	if len(args) == 1 && strings.TrimSpace(args[0]) == "" {
		return errors.New("TEXT is empty")
	}
	return nil
}

func logCommand(o *options) *cobra.Command {
	var follow bool
	var stack, since string
	c := &cobra.Command{
		Use: "log [TEXT]", Short: "Show the deploy log; with TEXT, write a line into it and announce it", Args: someText,
		RunE: func(c *cobra.Command, args []string) error {
			req := bot.Request{Do: "entries", Follow: follow}
			var err error
			if req.Since, err = sinceOf(since, time.Now()); err != nil {
				return err
			}
			cfg, err := o.load()
			if err != nil {
				return err
			}
			out, errs := c.OutOrStdout(), c.ErrOrStderr()
			if len(args) == 1 {
				req := bot.Request{Do: "log", Text: args[0]}
				return o.ask(c.Context(), cfg, req, o.print(req, out, errs))
			}
			if stack != "" {
				if req.Stack, err = stackOf(cfg, stack); err != nil {
					return err
				}
			}
			return o.ask(c.Context(), cfg, req, func(r bot.Reply) { o.entry(out, errs, r) })
		},
	}
	c.AddCommand(o.simple("verify", "Name the first entry of the journal that is not as it was written", cobra.NoArgs,
		func([]string) bot.Request { return bot.Request{Do: "verify"} }))
	c.AddCommand(auditCommand(o))
	c.Flags().BoolVarP(&follow, "follow", "f", false, "stay, and show what comes")
	c.Flags().StringVar(&stack, "stack", "", "what went to this `STACK` only")
	c.Flags().StringVar(&since, "since", "", sinceHelp)
	return c
}

const sinceHelp = "nothing older than this `TIME`: 90m, 7d, 2026-01-31 or 2026-01-31T12:00:00Z (default: the newest 500)"

func auditCommand(o *options) *cobra.Command {
	var since string
	c := &cobra.Command{
		Use: "audit", Short: "Show who did, or was refused, what, and how that person was known; and each step of rollouts", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			from, err := sinceOf(since, time.Now())
			if err != nil {
				return err
			}
			cfg, err := o.load()
			if err != nil {
				return err
			}
			return o.ask(c.Context(), cfg, bot.Request{Do: "audit", Since: from}, func(r bot.Reply) { o.entry(c.OutOrStdout(), c.ErrOrStderr(), r) })
		},
	}
	c.Flags().StringVar(&since, "since", "", sinceHelp)
	return c
}

// entry shows one line of the deploy log, with --json as one object a line.
func (o *options) entry(out, errs io.Writer, r bot.Reply) {
	switch {
	case r.Over && r.Exit != 0:
		fmt.Fprintln(errs, "pushtrain:", r.Line)
	case r.Over:
	case o.json:
		_ = json.NewEncoder(out).Encode(r.Data) // a reader that has gone wants no more
	default:
		fmt.Fprintln(out, r.Line)
	}
}

// dayForm is how a number of days is written.
var dayForm = regexp.MustCompile(`^0*[1-9][0-9]*d$`)

// sinceOf reads how far back a list goes: a time, or a span before now; "" = the zero
// time, as far as it is shown by itself.
func sinceOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	if dayForm.MatchString(text) {
		if n, err := strconv.Atoi(strings.TrimSuffix(text, "d")); err == nil {
			return now.AddDate(0, 0, -n), nil
		}
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, exit(exitUsage, "log: --since %s: say such as 90m, 7d, 2026-01-31 or 2026-01-31T12:00:00Z", text)
}

func statusCommand(o *options) *cobra.Command {
	var audit bool
	c := o.withStack("status [STACK]", "Show what each stage serves, what runs, and which hosts say otherwise",
		func(stack string) bot.Request { return bot.Request{Do: "status", Stack: stack, Audit: audit} })
	c.Flags().BoolVar(&audit, "audit", false, "have all hosts read, beside their work, all of what they serve, and show what has drifted")
	return c
}

func queueCommand(o *options) *cobra.Command {
	return o.simple("queue", "Show the whole queue", cobra.NoArgs,
		func([]string) bot.Request { return bot.Request{Do: "queue"} })
}

func statsCommand(o *options) *cobra.Command {
	c := o.simple("stats [PERIOD] [STACK|NICK]", "Sum up a period, like 30d: pushes, waits, what a cycle is made of, capacity", cobra.MaximumNArgs(2),
		func(args []string) bot.Request { return bot.Request{Do: "stats", Text: strings.Join(args, " ")} })
	c.ValidArgsFunction = o.complete
	return c
}

func arg(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

// ask puts the request to the running bot; with none it opens the journal and
// carries it out by itself.
func (o *options) ask(ctx context.Context, cfg Config, req bot.Request, out func(bot.Reply)) error {
	req.By = shellUser()
	code, err := bot.Call(ctx, cfg.StateDir, req, out)
	alone := errors.Is(err, bot.ErrNoBot)
	if alone {
		code, err = o.alone(ctx, cfg, req, out)
	}
	var coded *exitError
	switch {
	case ctx.Err() != nil && req.Follow && !alone && req.Do != "entries":
		return exit(exitInterrupted, "the bot goes on with it: `pushtrain abort %s` stops it, `pushtrain status` shows it", req.Stack)
	case ctx.Err() != nil:
		return &exitError{code: exitInterrupted}
	case errors.As(err, &coded):
		return err
	case err != nil:
		return &exitError{max(code, exitFailed), err}
	case code != 0:
		return &exitError{code: code}
	}
	return nil
}

// alone runs a bot without IRC for as long as one request takes.
func (o *options) alone(ctx context.Context, cfg Config, req bot.Request, out func(bot.Reply)) (int, error) {
	if req.Do == "entries" && req.Follow {
		return exitNotNow, errors.New("no bot is running: there is nothing to follow")
	}
	if req.Follow {
		if err := needTools(toolsOf(cfg)...); err != nil {
			return exitUnavailable, err
		}
	}
	how := botConfig(cfg, zerolog.New(os.Stderr).Level(zerolog.WarnLevel), nil)
	how.Idle = slices.Contains([]string{"status", "queue", "stats", "past", "entries", "audit", "verify", "hold", "unhold", "log"}, req.Do)
	known, err := readSecrets(cfg)
	if err != nil && !how.Idle {
		how.Log.Warn().Err(err).Msg("what can't be read is not hidden in the run log either")
	}
	how.Secrets = known.hidden()
	teller := tell.Start(tellConfig(cfg, known, how.Log))
	defer teller.Close()
	how.Entered = teller.Tell
	b, st, err := assemble(cfg, nobody{}, how)
	if err != nil {
		return exitFailed, err
	}
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx)) // an interrupt aborts the rollout below, it does not cut it off
	ran := make(chan error, 1)
	go func() {
		ran <- b.Run(runCtx)
		stop() // nobody would answer any more
	}()
	defer st.close()
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-ctx.Done():
			_, _ = b.Ask(runCtx, bot.Request{Do: "abort", Stack: req.Stack, By: req.By}, func(bot.Reply) {}) // too late is fine
		case <-over:
		}
	}()
	exit, err := b.Ask(runCtx, req, out)
	if err == nil && !how.Idle { // a train may have other stacks, and a crash may have left something
		var left int
		if left, err = b.Ask(runCtx, bot.Request{Do: "rest", By: req.By}, func(bot.Reply) {}); req.Do == "abort" {
			exit = max(exit, left)
		}
	}
	stop()
	if broke := <-ran; broke != nil {
		return exitFailed, broke
	}
	return exit, err
}

// nobody is the chat of a bot without IRC: what it says stays in the journal.
type nobody struct{}

func (nobody) SetTopic(string)                     {}
func (nobody) Say(irc.Priority, string)            {}
func (nobody) Notice(irc.Priority, string, string) {}
func (nobody) Hand(string, string, int)            {}
func (nobody) Waiting() int                        { return 0 }

func shellUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "shell"
}
