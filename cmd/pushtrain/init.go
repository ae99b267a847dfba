package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"pushtrain/deploy/webserver"
)

//go:embed init.yaml
var initTemplate string

// initCommand writes a configuration to start from, with the values that are given.
func initCommand(o *options) *cobra.Command {
	v := map[string]*string{}
	var tls bool
	var server string
	c := &cobra.Command{
		Use: "init [FILE]", Short: "Write a commented configuration to start from", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			path := "config.yaml"
			if len(args) > 0 {
				path = args[0]
			}
			fill := []string{"{tls}", fmt.Sprint(tls)}
			for name, value := range v {
				fill = append(fill, "{"+name+"}", quoteYAML(*value))
			}
			text := strings.NewReplacer(fill...).Replace(initTemplate)
			if _, problems := loadConfig(path, []byte(text)); len(problems) > 0 {
				return initError(problems)
			}
			if server != "" {
				return o.tellServer(c, server, *v["root"])
			}
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, os.ErrExist) {
				return exit(exitUsage, "init: %s exists and was left as it is: name another file, `pushtrain init FILE`", path)
			}
			if err != nil {
				return exit(exitFailed, "init: %w", err)
			}
			if _, err := f.WriteString(text); err != nil {
				return exit(exitFailed, "init: write %s: %w", path, errors.Join(err, f.Close()))
			}
			if err := f.Close(); err != nil {
				return exit(exitFailed, "init: write %s: %w", path, err)
			}
			said := fmt.Sprintf("wrote %s: name your hosts in it, then `pushtrain -c %[1]s check` and `pushtrain -c %[1]s run`", path)
			o.tell(c.OutOrStdout(), said, map[string]string{"file": path})
			return nil
		},
	}
	for _, f := range []struct{ name, value, help string }{
		{"server", "irc.example.net:6697", "IRC server, host:port"},
		{"nick", "pushbot", "the bot's nick"},
		{"channel", "#push", "the channel"},
		{"stack", "web", "the first stack"},
		{"repo", "/srv/git/web.git", "its repository, any URL that git takes"},
		{"root", "/srv/www/web", "its docroot on every host"},
		{"princess", "princess1", "a host of the first stage"},
		{"prod", "web1", "a host of the second stage"},
		{"state-dir", "/var/lib/pushtrain", "where the bot keeps its journal"},
	} {
		v[f.name] = c.Flags().String(f.name, f.value, f.help)
	}
	c.Flags().BoolVar(&tls, "tls", true, "encrypt the link to the IRC server")
	c.Flags().StringVar(&server, "web-server", "", "write no file, print how `SERVER` serves --root: "+strings.Join(webserver.Servers(), ", "))
	return c
}

// tellServer prints the configuration by which a web server answers each request
// from one release.
func (o *options) tellServer(c *cobra.Command, server, root string) error {
	files, err := webserver.Config(server, webserver.Site{Root: root})
	if err != nil {
		return exit(exitUsage, "init: %w", err)
	}
	var text []string
	found := map[string]string{}
	for _, f := range files {
		text = append(text, fmt.Sprintf("==> %s <==\n%s", f.Name, f.Text))
		found[f.Name] = f.Text
	}
	o.tell(c.OutOrStdout(), strings.TrimSuffix(strings.Join(text, "\n"), "\n"), found)
	return nil
}

// quoteYAML writes any text as a double-quoted YAML scalar: JSON's strings are.
func quoteYAML(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // unreachable: every string can be JSON
	}
	return string(quoted)
}

// initError says what is wrong with the values given, without a place in a file
// that does not exist.
func initError(problems []Problem) error {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.Key+": "+p.Text)
	}
	return exit(exitUsage, "init: nothing was written: %s", strings.Join(lines, "; "))
}
