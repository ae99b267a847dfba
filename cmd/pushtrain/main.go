package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var e *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		if e.err != nil {
			fmt.Fprintln(stderr, "pushtrain:", e.err)
		}
		return e.code
	case ctx.Err() != nil:
		return exitInterrupted
	}
	fmt.Fprintln(stderr, "pushtrain:", err)
	return exitUsage // what is left are cobra's own: unknown command, flag, number of arguments
}

// options are the flags that every command has.
type options struct {
	config  string
	json    bool
	dryRun  bool
	quiet   bool
	verbose bool
}

func newRoot() *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:           "pushtrain",
		Short:         "An IRC bot that runs the push train, and the deploy engine behind it",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	f := root.PersistentFlags()
	f.StringVarP(&o.config, "config", "c", "", "configuration file")
	f.BoolVar(&o.json, "json", false, "answer in JSON")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "say only what went wrong")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log more")
	root.AddCommand(
		runCommand(&o), demoCommand(&o), initCommand(), checkCommand(&o),
		deployCommand(&o), rollbackCommand(&o), abortCommand(&o), holdCommand(&o), unholdCommand(&o), logCommand(&o),
		statusCommand(&o), queueCommand(&o), statsCommand(&o), restoreCommand(&o),
		versionCommand(), hostCommand(),
	)
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Say which pushtrain this is", Args: cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), "pushtrain", buildVersion()) },
	}
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
