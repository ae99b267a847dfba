package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"pushtrain/deploy/host"
)

// hostCommand is the far end of a session: it speaks deploy/host's protocol on
// stdin and stdout until the session ends.
func hostCommand() *cobra.Command {
	var root string
	c := &cobra.Command{
		Use: "host --root ROOT", Short: "Serve one docroot to a bot (started by the bot, over ssh)", Args: cobra.NoArgs, Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			// A blocked read of stdin is ended by the signal itself.
			signal.Reset(os.Interrupt, syscall.SIGTERM)
			if root == "" {
				return exit(exitUsage, "host: --root is missing")
			}
			if err := host.Serve(c.Context(), root, c.InOrStdin(), c.OutOrStdout()); err != nil {
				return exit(exitFailed, "host: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&root, "root", "", "the folder that holds yin, yang and current")
	return c
}
