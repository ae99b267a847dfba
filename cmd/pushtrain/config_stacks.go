package main

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"pushtrain/deploy/fleet"
	"pushtrain/deploy/release"
)

// maxName is the longest name of a stack, stage or alias: it stands in the topic.
const maxName = 32

var nameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

func checkStacks(d *decoder, stacks []StackConfig) {
	if len(stacks) == 0 && d.ok("stacks") {
		d.problem("stacks", "is missing: there is nothing to deploy")
	}
	words := map[string]string{} // stacks and aliases, lower case: the key that has it
	for i, s := range stacks {
		key := fmt.Sprintf("stacks[%d]", i)
		checkWord(d, key+".name", s.Name, words)
		for j, a := range s.Aliases {
			checkWord(d, fmt.Sprintf("%s.aliases[%d]", key, j), a, words)
		}
	}
	var places []place
	for i, s := range stacks {
		key := fmt.Sprintf("stacks[%d]", i)
		checkStack(d, key, s, words)
		for j, g := range s.Stages {
			if g.External {
				continue // its hosts are a mistake already
			}
			for k, h := range g.Hosts {
				places = checkHost(d, fmt.Sprintf("%s.stages[%d].hosts[%d]", key, j, k), h, places)
			}
		}
	}
}

// checkWord notes what is wrong with a name that people say, and whose it is already.
func checkWord(d *decoder, key, name string, words map[string]string) {
	if !checkName(d, key, name) {
		return
	}
	low := strings.ToLower(name)
	if other, ok := words[low]; ok {
		d.problem(key, "%q is taken by %s", name, other)
		return
	}
	words[low] = key
}

func checkName(d *decoder, key, name string) bool {
	if !d.need(key, name, "a name") {
		return false
	}
	switch {
	case !nameForm.MatchString(name) || len(name) > maxName:
		d.problem(key, "%.60q: use up to %d letters, digits, - and _, a letter first", name, maxName)
	case slices.Contains(reserved, strings.ToLower(name)):
		d.problem(key, "%q is a word of the channel's commands: choose another name", name)
	default:
		return true
	}
	return false
}

func checkStack(d *decoder, key string, s StackConfig, words map[string]string) {
	if s.Root != "" {
		checkRoot(d, key+".root", s.Root)
	}
	if s.Drain < 0 {
		d.problem(key+".drain", "must not be less than 0s")
	}
	if s.Keep < 1 && d.ok(key+".keep") {
		d.problem(key+".keep", "must be at least 1")
	}
	if len(s.Stages) == 0 && d.ok(key+".stages") {
		d.problem(key+".stages", "is missing: give at least one, such as {name: prod, hosts: [web1]}")
	}
	if s.DiffURL != "" {
		checkURL(d, key+".diff_url", strings.NewReplacer("{old}", "0", "{new}", "1", "{stack}", "web").Replace(s.DiffURL))
	}
	ships, names := false, map[string]string{}
	for i, g := range s.Stages {
		stage := fmt.Sprintf("%s.stages[%d]", key, i)
		checkWord(d, stage+".name", g.Name, names)
		if other, ok := words[strings.ToLower(g.Name)]; ok {
			d.problem(stage+".name", "%q is taken by %s", g.Name, other)
		}
		checkStage(d, stage, g)
		switch {
		case g.Confirm != "" && g.Confirm != "other":
			d.problem(stage+".confirm", "%q: write other, for a second rider, or leave it out", g.Confirm)
		case g.Confirm != "" && !ships:
			d.problem(stage+".confirm", "a second person confirms what a stage before this one has built: put one in front of it")
		}
		ships = ships || !g.External
	}
	if ships {
		checkSource(d, key+".source", s.Source)
	}
}

func checkStage(d *decoder, key string, g StageConfig) {
	switch {
	case g.External && len(g.Hosts) > 0:
		d.problem(key+".hosts", "an external stage has no hosts: something else deploys it")
	case !g.External && len(g.Hosts) == 0 && d.ok(key+".hosts"):
		d.problem(key+".hosts", "is missing: give at least one host, or say `external: true`")
	}
	checkArgv(d, key+".test", g.Test)
	checkArgv(d, key+".check", g.Check)
	checkArgv(d, key+".pull", g.Pull)
	switch {
	case g.MaxQuarantine < 0:
		d.problem(key+".max_quarantine", "must not be less than 0")
	case g.MaxQuarantine > 0 && len(g.Pull) == 0:
		d.problem(key+".max_quarantine", "needs `pull`: a host that is left behind must be taken out of the pool")
	case g.MaxQuarantine > 0 && g.MaxQuarantine >= len(g.Hosts):
		d.problem(key+".max_quarantine", "%d of %d hosts would leave none: allow fewer", g.MaxQuarantine, len(g.Hosts))
	}
	checkWatch(d, key+".watch", g.Watch)
	checkArgv(d, key+".before_flip", g.BeforeFlip)
	checkArgv(d, key+".after_flip", g.AfterFlip)
	for i, l := range g.Links {
		link := fmt.Sprintf("%s.links[%d]", key, i)
		d.need(link+".name", l.Name, "the words of the link")
		if d.need(link+".url", l.URL, "its address") {
			checkURL(d, link+".url", l.URL)
		}
	}
	for i, h := range g.Hosts {
		at := slices.IndexFunc(g.Hosts, func(o HostConfig) bool { return o.Name == h.Name })
		if at < i && h.Name != "" && g.Hosts[at] != h { // the very same one is a duplicate below
			d.problem(fmt.Sprintf("%s.hosts[%d]", key, i), "%s is another host of this stage already: choose another name", h.Name)
		}
	}
}

func checkWatch(d *decoder, key string, w WatchConfig) {
	for i, file := range w.Files {
		if !path.IsAbs(file) || path.Clean(file) != file || strings.ContainsFunc(file, unicode.IsControl) {
			d.problem(fmt.Sprintf("%s.files[%d]", key, i), "%q is no clean absolute path", file)
		}
	}
	checkArgv(d, key+".host_command", w.HostCommand)
	checkArgv(d, key+".command", w.Command)
	for i, text := range w.Ignore {
		if _, err := regexp.Compile(text); err != nil {
			d.problem(fmt.Sprintf("%s.ignore[%d]", key, i), "%v", err)
		}
	}
	if (w.Window < time.Second || w.Window > 24*time.Hour) && d.ok(key+".window") {
		d.problem(key+".window", "must be from 1s to 24h")
	}
	if w.Rate < 0 || w.Lines < 0 {
		d.problem(key, "rate and lines must not be less than 0")
	}
	switch {
	case w.OnBad != "tell" && w.OnBad != "rollback":
		d.problem(key+".on_bad", "%q: write tell or rollback", w.OnBad)
	case w.OnBad == "rollback" && w.Rate == 0:
		d.problem(key+".on_bad", "needs `rate`: how many times what is usual is bad")
	}
	if !w.on() && (w.Rate > 0 || len(w.Ignore) > 0) {
		d.problem(key, "has nothing to watch: give files or a command")
	}
}

func checkArgv(d *decoder, key string, argv []string) {
	for i, arg := range argv {
		if i == 0 && arg == "" && d.ok(key+"[0]") || strings.ContainsRune(arg, 0) {
			d.problem(fmt.Sprintf("%s[%d]", key, i), "%q is no program and no argument", arg)
		}
	}
}

// branchBad is what git allows in no branch name, and what could be taken for an option.
var branchBad = regexp.MustCompile(`^[-/.]|\.\.|@\{|//|/\.|[\x00-\x20\x7f~^:?*\[\\]|\.lock(/|$)|[/.]$|^@$`)

func checkSource(d *decoder, key string, s SourceConfig) {
	if d.need(key+".repo", s.Repo, "the git repository: a path or an address") {
		if err := release.CheckRepo(s.Repo); err != nil {
			d.problem(key+".repo", "%v", err)
		} else if u, err := url.Parse(s.Repo); err == nil && u.User != nil {
			if _, has := u.User.Password(); has {
				d.problem(key+".repo", "has a password in it, which everybody on the machine would see among git's arguments: give it to a git credential helper, or use a key of ssh")
			}
		}
	}
	if d.need(key+".branch", s.Branch, "a branch") {
		if branchBad.MatchString(s.Branch) {
			d.problem(key+".branch", "%.80q is no name of a branch", s.Branch)
		} else if err := release.CheckRef(s.Branch); err != nil {
			d.problem(key+".branch", "%v", err)
		}
	}
	if d.need(key+".tree", s.Tree, "a folder of the checkout, . for all of it") &&
		(path.IsAbs(s.Tree) || slices.Contains(strings.Split(s.Tree, "/"), "..")) {
		d.problem(key+".tree", "%q must be a folder inside the checkout", s.Tree)
	}
	if s.CaseTwins != "allow" && s.CaseTwins != "refuse" {
		d.problem(key+".case_twins", "%q: write allow or refuse", s.CaseTwins)
	}
	checkArgv(d, key+".build", s.Build)
}

// place is a root on a machine.
type place struct{ key, machine, root string }

// checkHost notes what is wrong with a host, and whether it shares its files with one before.
func checkHost(d *decoder, key string, h HostConfig, before []place) []place {
	if h.Name == "" {
		d.need(key+".name", h.Name, "a name")
		return before
	}
	for _, name := range []string{h.Name, h.Addr} {
		if name == "" {
			continue // a local host has no address
		}
		if err := fleet.CheckHost(name); err != nil {
			d.problem(key, "%v", err)
			return before
		}
	}
	machine := h.Addr
	if h.Local {
		machine = "this machine"
		if h.Addr != "" {
			d.problem(key+".addr", "a local host has none: it is a folder of this machine")
		}
	}
	if h.Root == "" {
		d.problem(key, "has no root: give one to the stack or to the host")
		return before
	}
	if d.at[key+".root"] != nil && !checkRoot(d, key+".root", h.Root) || !path.IsAbs(h.Root) {
		return before
	}
	root := path.Clean(h.Root)
	for _, o := range before {
		if o.machine != machine {
			continue
		}
		switch {
		case o.root == root:
			d.problem(key, "duplicate: %s has %s on %s too", o.key, root, machine)
		case within(root, o.root) || within(o.root, root):
			d.problem(key, "%s and %s, of %s, lie one inside the other on %s", root, o.root, o.key, machine)
		default:
			continue
		}
		break
	}
	return append(before, place{key, machine, root})
}

func within(p, folder string) bool { return strings.HasPrefix(p, folder+"/") }

// systemRoot matches folders that hold more than one site's files.
var systemRoot = regexp.MustCompile(`^(/[^/]*|/(home|usr)/[^/]+|/var/(cache|lib|log|mail|run|spool|tmp|www)|/(bin|boot|dev|etc|lib|proc|run|sbin|sys)/.*)$`)

// checkRoot notes what is wrong with a root: a rollout replaces what it holds.
func checkRoot(d *decoder, key, root string) bool {
	clean := path.Clean(root)
	switch {
	case !path.IsAbs(root):
		d.problem(key, "%.80q must begin with /", root)
	case len(root) > 1024:
		d.problem(key, "is longer than 1024 bytes")
	case clean == "/":
		d.problem(key, `"/" would be wiped by a rollout: name a folder of its own`)
	case systemRoot.MatchString(clean):
		d.problem(key, "%q holds other things too: name a folder of its own, such as /srv/www/web", root)
	case clean != strings.TrimSuffix(root, "/"):
		d.problem(key, "%q: write it as %s", root, clean)
	default:
		err := fleet.CheckRoot(clean)
		if err != nil {
			d.problem(key, "%v", err)
		}
		return err == nil
	}
	return false
}
