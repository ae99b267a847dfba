package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker for a release; see buildVersion.
var version = ""

// Exit codes that this package decides on; package bot has the others.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitNotNow      = 4
	exitUnavailable = 69
	exitConfig      = 78
	exitInterrupted = 130
)

// exitError ends the program with a code. Its err is printed unless it is nil.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exit(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program but for os.Exit.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code, silent := exitFailed, false
	var e *exitError
	if errors.As(err, &e) {
		code, silent = e.code, e.err == nil
	}
	var mistakes *ConfigError
	switch {
	case silent:
	case errors.As(err, &mistakes):
		fmt.Fprintln(stderr, err) // each line begins with its place, as editors read it
	default:
		fmt.Fprintln(stderr, "pushtrain:", err)
	}
	return code
}

// withSignals ends the context at the first interrupt, termination or hang-up; the
// second one kills. A reader of our output that goes away is an error of that
// write, not our end: a rollout goes on without it.
func withSignals(parent context.Context) (context.Context, context.CancelFunc) {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup(1) wants to outlive the terminal
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(parent, ends...)
	context.AfterFunc(ctx, stop)
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	return ctx, func() {
		signal.Stop(pipe)
		stop()
	}
}

// options are the flags that every command has.
type options struct {
	config  string
	json    bool
	dryRun  bool
	quiet   bool
	verbose bool
}

// tell answers what needed no bot: text, with --json the same as data.
func (o *options) tell(out io.Writer, text string, data any) {
	switch {
	case o.json:
		writeJSON(out, data)
	case !o.quiet:
		fmt.Fprintln(out, text)
	}
}

func writeJSON(out io.Writer, data any) {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	_ = enc.Encode(data) // a closed pipe is the reader's choice
}

func newRoot() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:                        "pushtrain",
		Short:                      "An IRC bot that runs the push train, and the deploy engine behind it",
		Long:                       rootHelp,
		SilenceUsage:               true,
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		Args:                       knownCommand,
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(usageError)
	f := root.PersistentFlags()
	f.StringVarP(&o.config, "config", "c", "", "`FILE` with the configuration")
	f.BoolVar(&o.json, "json", false, "answer in JSON")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "say only what went wrong")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log more")
	root.AddCommand(
		runCommand(&o), demoCommand(), initCommand(&o), checkCommand(&o), doctorCommand(&o), reloadCommand(&o),
		deployCommand(&o), rollbackCommand(&o), syncCommand(&o), abortCommand(&o), holdCommand(&o), unholdCommand(&o), logCommand(&o),
		statusCommand(&o), queueCommand(&o), statsCommand(&o), simulateCommand(&o), restoreCommand(&o),
		versionCommand(&o), manCommand(), hostCommand(),
	)
	root.SetHelpCommand(helpCommand())
	root.InitDefaultCompletionCmd()
	explainArgs(root)
	return root
}

// explainArgs has every command below parent say how it is used when it is given
// the wrong arguments.
func explainArgs(parent *cobra.Command) {
	for _, c := range parent.Commands() {
		explainArgs(c)
		args := c.Args
		if args == nil {
			continue // unreachable: all commands have one
		}
		c.Args = func(c *cobra.Command, given []string) error {
			if err := args(c, given); err != nil {
				return usageError(c, err)
			}
			return nil
		}
	}
}

const rootHelp = `An IRC bot that runs the push train, and the deploy engine behind it.

  pushtrain demo                      see it work, on this machine alone
  pushtrain init                      write a configuration to start from
  pushtrain check                     say all that is wrong with it
  pushtrain doctor                    try all that a push needs
  pushtrain run                       the bot

The configuration is --config FILE, else $PUSHTRAIN_CONFIG, ./config.yaml,
$XDG_CONFIG_HOME/pushtrain/config.yaml or /etc/pushtrain/config.yaml.

Exit codes: 0 done; 1 failed, the hosts serve what they served before; 2 usage;
3 needs a look; 4 not now: held, busy, not your turn; 69 a tool is missing;
78 the configuration is wrong; 130 interrupted.`

// usageError completes what is wrong with a command line by how it is right.
func usageError(c *cobra.Command, err error) error {
	return exit(exitUsage, "%w\nusage: %s; %s -h says more", err, c.UseLine(), c.CommandPath())
}

// knownCommand refuses a word that is no command, with those that are near.
func knownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	near := ""
	if names := root.SuggestionsFor(args[0]); len(names) > 0 {
		near = "did you mean " + strings.Join(names, " or ") + "? "
	}
	return exit(exitUsage, "there is no command %s: %s`pushtrain help` lists them all", args[0], near)
}

// helpCommand is cobra's, but for a word that is no command: that is a mistake.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Explain a command", Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return knownCommand(c.Root(), rest)
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

func versionCommand(o *options) *cobra.Command {
	var parts bool
	c := &cobra.Command{
		Use: "version", Short: "Say which pushtrain this is", Args: cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) {
			if info, ok := debug.ReadBuildInfo(); ok && parts {
				writeJSON(c.OutOrStdout(), sbom(info, buildVersion()))
				return
			}
			o.tell(c.OutOrStdout(), "pushtrain "+buildVersion(), map[string]string{"version": buildVersion()})
		},
	}
	c.Flags().BoolVar(&parts, "sbom", false, "list what it was built from, as CycloneDX")
	return c
}

// buildVersion is the linked version, else the commit that the binary was built from.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	if commit == "" {
		return "development, " + info.GoVersion
	}
	return commit + dirty + ", " + info.GoVersion
}
