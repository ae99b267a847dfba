package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func checkCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Read the configuration and say all that is wrong with it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			path, err := findConfig(o.config)
			if err != nil {
				return &exitError{exitConfig, err}
			}
			cfg, err := loadConfigFile(path)
			if err != nil {
				return &exitError{exitConfig, err}
			}
			if o.quiet {
				return nil
			}
			out := c.OutOrStdout()
			fmt.Fprintf(out, "%s is right\n", path)
			for _, s := range cfg.Stacks {
				for _, g := range s.Stages {
					where := "deployed by something else"
					if !g.External {
						hosts, err := hostsOf(cfg, s.Name, g.Name)
						if err != nil {
							return err // unreachable: the stage is from the same configuration
						}
						where = "to " + strings.Join(hosts, ", ")
					}
					fmt.Fprintf(out, "  %s/%s  %s\n", s.Name, g.Name, where)
				}
			}
			return nil
		},
	}
}
