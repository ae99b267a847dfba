package main

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pushtrain/deploy/webserver"
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
			var mistakes *ConfigError
			if errors.As(err, &mistakes) && o.json {
				writeJSON(c.OutOrStdout(), checked{File: path, Problems: mistakes.Problems})
				return &exitError{code: exitConfig}
			}
			if err != nil {
				return &exitError{exitConfig, err}
			}
			text, found := path+" is right", checked{File: path, Problems: []Problem{}, Warnings: drainWarnings(cfg, os.DirFS("/etc"))}
			for _, s := range cfg.Stacks {
				for _, g := range s.Stages {
					where, hosts := "deployed by something else", []string{}
					for _, h := range g.Hosts {
						hosts = append(hosts, h.Name)
					}
					if !g.External {
						where = "to " + strings.Join(hosts, ", ")
					}
					text += "\n  " + s.Name + "/" + g.Name + "  " + where
					found.Stages = append(found.Stages, checkedStage{s.Name, g.Name, hosts})
				}
			}
			for _, w := range found.Warnings {
				text += "\n  warning: " + w
			}
			o.tell(c.OutOrStdout(), text, found)
			return nil
		},
	}
}

// checked is what check finds, for machines. It has stages or problems.
type checked struct {
	File     string         `json:"file"`
	Problems []Problem      `json:"problems"`
	Stages   []checkedStage `json:"stages,omitempty"`
	Warnings []string       `json:"warnings,omitempty"`
}

// drainWarnings compares the drain of each stack that has a host on this machine
// with what the PHPs that are set up here, in etc, need. What can't be read is
// passed over: the configuration is right all the same.
func drainWarnings(cfg Config, etc fs.FS) []string {
	var all []string
	installed, _ := webserver.ReadPHP(etc)
	for _, s := range cfg.Stacks {
		here := slices.ContainsFunc(s.Stages, func(g StageConfig) bool {
			return slices.ContainsFunc(g.Hosts, func(h HostConfig) bool { return h.Local })
		})
		for _, p := range installed {
			if here {
				for _, w := range p.Warnings(s.Drain) {
					all = append(all, s.Name+": "+w)
				}
			}
		}
	}
	return all
}

type checkedStage struct {
	Stack string   `json:"stack"`
	Stage string   `json:"stage"`
	Hosts []string `json:"hosts"` // none when something else deploys it
}
