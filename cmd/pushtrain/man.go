package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pushtrain/bot"
	"pushtrain/train"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man", Short: "Print the manual page: `pushtrain man | man -l -`", Args: cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) {
			day := "" // nothing here knows, unless it is being packaged
			if at, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
				day = time.Unix(at, 0).UTC().Format(time.DateOnly)
			}
			fmt.Fprint(c.OutOrStdout(), manPage(c.Root(), day))
		},
	}
}

// manFiles, of the page, is what is where.
var manFiles = []struct{ path, text string }{
	{"/etc/pushtrain/config.yaml", "the configuration; the first that is there of --config FILE, $PUSHTRAIN_CONFIG, ./config.yaml, $XDG_CONFIG_HOME/pushtrain/config.yaml and this one"},
	{"/etc/pushtrain/config.example.yaml", "every key, with its unit and its default"},
	{"/var/lib/pushtrain", "state_dir, unless the configuration says otherwise"},
	{"state_dir/journal.db", "the journal: everything that happened"},
	{"state_dir/backup", "copies of it, one after each rollout; see restore"},
	{"state_dir/runs", "the full log of each rollout"},
	{"state_dir/pushtrain.sock", "where the shell reaches the bot that runs"},
	{"state_dir/irc.sts", "where a server that the configuration reaches in plain text has asked for TLS"},
	{"state_dir/code.key", "what the codes of confirm_code are made with"},
}

// manSignals, of the page, is what signals do to the bot.
var manSignals = []struct{ name, text string }{
	{"SIGTERM, SIGINT", "a flip that is under way ends, what is before it is left as it was; the bot says goodbye and ends. The next one goes on with the queue and the rollouts. A second one kills"},
	{"SIGHUP", "the same as reload, with no host that may be gone"},
}

// manPage is the manual in roff, made of what help is made of. Day may be "".
func manPage(root *cobra.Command, day string) string {
	var b strings.Builder
	section := func(title string) { fmt.Fprintf(&b, ".SH %s\n", strings.ToUpper(title)) }
	item := func(tag, text string) { fmt.Fprintf(&b, ".TP\n%s\n%s\n", tag, roff(text)) }
	fmt.Fprintf(&b, ".TH PUSHTRAIN 1 \"%s\" \"pushtrain\" \"User Commands\"\n", day)
	section("name")
	fmt.Fprintf(&b, "pushtrain \\- %s\n", roff(strings.ToLower(root.Short[:1])+root.Short[1:]))
	section("synopsis")
	b.WriteString(".B pushtrain\n.I COMMAND\n[\\fIOPTION\\fR]...\n")
	section("description")
	about, codes, _ := strings.Cut(root.Long, "\n\nExit codes: ")
	manText(&b, about)
	section("commands")
	for _, c := range root.Commands() {
		manCommandOf(&b, c)
	}
	section("options of every command")
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) { manFlag(&b, f) })
	section("in the channel")
	rules := train.Rules{Stacks: []train.Stack{{Name: "web", Stages: []train.Stage{{Name: "princess"}, {Name: "prod"}}}}}
	for _, c := range bot.Commands(rules) {
		words := append([]string{strings.TrimSpace(c.Name + " " + c.Args)}, c.Aliases...)
		item(bold("."+strings.Join(words, ", .")), c.Does+" ("+c.Who+")")
	}
	section("exit status")
	for _, code := range strings.Split(strings.TrimSuffix(strings.ReplaceAll(codes, "\n", " "), "."), "; ") {
		number, means, _ := strings.Cut(code, " ")
		item(bold(number), means)
	}
	section("signals")
	for _, s := range manSignals {
		item(bold(s.name), s.text)
	}
	section("files")
	for _, f := range manFiles {
		item(italic(f.path), f.text)
	}
	section("see also")
	b.WriteString(".BR ssh_config (5),\n.BR rsync (1),\n.BR systemd.service (5)\n")
	return b.String()
}

// manCommandOf writes how a command is used, and those below it.
func manCommandOf(w io.Writer, c *cobra.Command) {
	if c.Hidden {
		return
	}
	if c.Runnable() {
		fmt.Fprintf(w, ".SS %s\n", roff(strings.TrimSuffix(c.UseLine(), " [flags]")))
		text := c.Long
		if text == "" || c.Parent().Name() == "completion" { // cobra's: how to load each one, for systems of all kinds
			text = c.Short
		}
		manText(w, text)
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { manFlag(w, f) })
	}
	for _, sub := range c.Commands() {
		manCommandOf(w, sub)
	}
}

func manFlag(w io.Writer, f *pflag.Flag) {
	if f.Hidden || f.Name == "help" {
		return
	}
	value, usage := pflag.UnquoteUsage(f)
	tag := "--" + f.Name
	if f.Shorthand != "" {
		tag = "-" + f.Shorthand + ", " + tag
	}
	tag = bold(tag)
	if value != "" {
		tag += " " + italic(value)
	}
	switch f.DefValue {
	case "", "false", "[]", "0s":
	default:
		usage += " (default " + f.DefValue + ")"
	}
	fmt.Fprintf(w, ".TP\n%s\n%s\n", tag, roff(usage))
}

// manText writes paragraphs; one that is indented stands as it is.
func manText(w io.Writer, text string) {
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		switch {
		case strings.HasPrefix(p, " ") || strings.HasPrefix(p, "\t"):
			fmt.Fprintf(w, ".PP\n.nf\n%s\n.fi\n", roff(strings.ReplaceAll(p, "\t", "    ")))
		case i == 0:
			fmt.Fprintf(w, "%s\n", roff(p))
		default:
			fmt.Fprintf(w, ".PP\n%s\n", roff(p))
		}
	}
}

func bold(s string) string   { return `\fB` + roff(s) + `\fR` }
func italic(s string) string { return `\fI` + roff(s) + `\fR` }

// roffControl begins a request where a line begins with it; so does ', which is written as a name.
var roffControl = regexp.MustCompile(`(?m)^\.`)

// roff writes text so that it stands for itself.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "'", `\(aq`, "…", "...").Replace(strings.TrimRight(text, "\n"))
	return roffControl.ReplaceAllString(text, `\&.`)
}
