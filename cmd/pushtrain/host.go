package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"pushtrain/deploy/host"
)

// hostCommand is the far end of a session: it speaks deploy/host's protocol on
// stdin and stdout until the session ends. It may be a key's forced command.
func hostCommand() *cobra.Command {
	var call host.Call
	c := &cobra.Command{
		Use: "host --root ROOT …", Short: "Serve docroots to a bot (started over ssh: by the bot, or as a key's forced command)", Args: cobra.NoArgs, Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			// A read of stdin is ended by the signal itself.
			signal.Reset(os.Interrupt, syscall.SIGTERM)
			if len(call.Roots) == 0 {
				return exit(exitUsage, "host: --root is missing")
			}
			if err := host.Run(c.Context(), call, os.Stdin, c.OutOrStdout()); err != nil {
				return exit(exitFailed, "host: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&call.Roots, "root", nil, "a folder that holds yin, yang and current; several for a forced command")
	c.Flags().StringArrayVar(&call.Logs, "log", nil, "a forced command: a log that may be read by watch; several may be given")
	c.Flags().StringArrayVar(&call.Hooks, "hook", nil, "a forced command: a before_flip, after_flip or watched host_command that may be run; several may be given")
	c.Flags().BoolVar(&call.Session, "session", false, "said by the bot: it may run anything here anyway")
	return c
}
