package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	stdlog "log"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // a machine may have none

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"pushtrain/bot"
	"pushtrain/bot/irc"
	"pushtrain/bot/store"
	"pushtrain/bot/tell"
	"pushtrain/bot/watch"
	"pushtrain/bot/web"
	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/deploy/release"
	"pushtrain/train"
)

// load reads the configuration that counts.
func (o *options) load() (Config, error) {
	path, err := findConfig(o.config)
	if err != nil {
		return Config{}, &exitError{exitConfig, err}
	}
	cfg, err := loadConfigFile(path)
	if err != nil {
		return Config{}, &exitError{exitConfig, err}
	}
	return cfg, nil
}

// rulesOf is what the trains need to know of a configuration.
func rulesOf(cfg Config) train.Rules {
	r := train.Rules{Cap: cfg.Train.Cap, Idle: cfg.Train.Idle, Identity: cfg.IRC.Identity, Code: cfg.IRC.ConfirmCode, Hours: hoursOf(cfg.Train)}
	for _, s := range cfg.Stacks {
		st := train.Stack{Name: s.Name, Aliases: s.Aliases}
		for _, g := range s.Stages {
			st.Stages = append(st.Stages, train.Stage{Name: g.Name, External: g.External, Confirm: g.Confirm == "other"})
		}
		r.Stacks = append(r.Stacks, st)
	}
	return r
}

// hoursOf says when trains depart; "" = at any time.
func hoursOf(c TrainConfig) string {
	switch {
	case c.Hours != "":
		return c.Hours + " " + c.TimeZone
	case len(c.Holidays) > 0:
		return "every day but holidays, " + c.TimeZone
	}
	return ""
}

func calendarOf(c TrainConfig) (out train.Calendar) {
	if c.Hours != "" {
		out.Windows, _ = train.ParseWindows(c.Hours) // checkHours has tried
	}
	for _, h := range c.Holidays {
		if out.Holidays == nil {
			out.Holidays = map[string]string{}
		}
		out.Holidays[h.Date] = train.CleanMessage(h.Name)
	}
	out.Zone, _ = time.LoadLocation(c.TimeZone) // likewise
	return out
}

func botConfig(cfg Config, log zerolog.Logger, ready func()) bot.Config {
	c := bot.Config{
		Rules: rulesOf(cfg), Fleets: map[deploy.Target]bot.Fleet{}, People: map[string]string{}, Diffs: map[string]string{}, Nick: cfg.IRC.Nick, Channel: cfg.IRC.Channel, Prefix: cfg.IRC.Prefix,
		Ops: cfg.IRC.Ops, Dir: cfg.StateDir, Audit: cfg.Audit, Open: cfg.Train.Open, Hours: calendarOf(cfg.Train), Version: buildVersion(), Ready: ready, Log: log,
	}
	for _, s := range cfg.Stacks {
		if s.DiffURL != "" {
			c.Diffs[s.Name] = s.DiffURL
		}
	}
	for _, p := range cfg.People {
		for _, author := range p.authors() {
			c.People[author] = p.Nick
		}
	}
	for _, s := range cfg.Stacks {
		for _, g := range s.Stages {
			f := bot.Fleet{Branch: s.Source.Branch, Test: len(g.Test) > 0, Check: len(g.Check) > 0, MaxQuarantine: g.MaxQuarantine, Watch: watchOf(g.Watch)}
			for _, h := range g.Hosts {
				f.Hosts = append(f.Hosts, h.Name)
			}
			c.Fleets[deploy.Target{Stack: s.Name, Stage: g.Name}] = f
		}
	}
	return c
}

func watchOf(w WatchConfig) bot.Watch {
	if !w.on() {
		return bot.Watch{}
	}
	out := bot.Watch{Rules: watch.Rules{Window: w.Window, Rate: float64(w.Rate), Lines: w.Lines}, Rollback: w.OnBad == "rollback"}
	for _, text := range w.Ignore {
		out.Ignore = append(out.Ignore, regexp.MustCompile(text)) // checkWatch has tried
	}
	return out
}

func fleetConfig(cfg Config) fleet.Config {
	c := fleet.Config{Dir: filepath.Join(cfg.StateDir, "releases"), SSHConfig: cfg.SSH.Config, Lean: cfg.SSH.Lean, Parallel: cfg.SSH.Parallel, Stall: cfg.SSH.Stall, Retries: cfg.SSH.Retries, BuildDir: cfg.BuildDir}
	for _, s := range cfg.Stacks {
		st := fleet.Stack{
			Name: s.Name, Root: strings.TrimSuffix(s.Root, "/"), Drain: s.Drain, Keep: s.Keep,
			Source: release.Source{Repo: s.Source.Repo, Branch: s.Source.Branch, Build: s.Source.Build, Tree: s.Source.Tree, NoTwins: s.Source.CaseTwins == "refuse"},
		}
		for _, g := range s.Stages {
			sg := fleet.Stage{Name: g.Name, Test: g.Test, Check: g.Check, Pull: g.Pull, BeforeFlip: g.BeforeFlip, AfterFlip: g.AfterFlip, WatchFiles: g.Watch.Files, WatchHostCommand: g.Watch.HostCommand, WatchCommand: g.Watch.Command}
			for _, h := range g.Hosts {
				sg.Hosts = append(sg.Hosts, fleet.Host{Name: h.Name, Addr: h.Addr, Root: strings.TrimSuffix(h.Root, "/"), Local: h.Local})
			}
			st.Stages = append(st.Stages, sg)
		}
		c.Stacks = append(c.Stacks, st)
	}
	return c
}

func webConfig(cfg Config, log zerolog.Logger) web.Config {
	c := web.Config{Names: cfg.Web.Names, Auth: authOf(cfg.Web), Errors: stdlog.New(log, "page: ", 0)}
	for _, s := range cfg.Stacks {
		st := web.Stack{Name: s.Name, DiffURL: s.DiffURL}
		for _, g := range s.Stages {
			sg := web.Stage{Name: g.Name, Title: g.Title}
			for _, l := range g.Links {
				sg.Links = append(sg.Links, web.Link{Name: l.Name, URL: l.URL})
			}
			st.Stages = append(st.Stages, sg)
		}
		c.Stacks = append(c.Stacks, st)
	}
	return c
}

func authOf(c WebConfig) web.Auth {
	a := web.Auth{Passwords: c.Auth.PasswordFile, Header: c.Auth.Header}
	for _, p := range c.Auth.Proxies {
		if n, err := network(p); err == nil { // checkAuth has tried
			a.Proxies = append(a.Proxies, n)
		}
	}
	for _, u := range c.Users {
		a.People = append(a.People, bot.Person{User: u.User, Nick: u.Nick, Account: u.Account})
	}
	return a
}

// secrets are what the files of secrets hold that a configuration names; "" = it names none.
type secrets struct {
	irc      ircSecrets
	webhooks []string // as configured
}

type ircSecrets struct{ password, sasl string }

// readSecrets reads all of them. Where one can't be read it says so, and has the others.
// From then on the kernel makes no core of this process, and shows its memory to root
// alone; what it starts is not affected.
func readSecrets(cfg Config) (s secrets, err error) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return s, fmt.Errorf("keep secrets out of cores: %w", err)
	}
	read := func(key, path string) string {
		if path == "" {
			return ""
		}
		text, why := readSecret(path)
		if why != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", key, why))
		}
		return text
	}
	s.irc.password = read("irc.password_file", cfg.IRC.PasswordFile)
	s.irc.sasl = read("irc.sasl.password_file", cfg.IRC.SASL.PasswordFile)
	for i, h := range cfg.Tell.Webhooks {
		s.webhooks = append(s.webhooks, read(fmt.Sprintf("tell.webhooks[%d].secret_file", i), h.SecretFile))
	}
	return s, err
}

// hidden are the secrets as the bot hides them.
func (s secrets) hidden() *bot.Secrets {
	return bot.NewSecrets(append([]string{s.irc.password, s.irc.sasl}, s.webhooks...)...)
}

// tellConfig is who is told, with the secrets that sign it.
func tellConfig(cfg Config, s secrets, log zerolog.Logger) tell.Config {
	c := tell.Config{Graphite: cfg.Tell.Graphite, StatsD: cfg.Tell.StatsD, Errors: stdlog.New(log, "tell: ", 0)}
	for i, h := range cfg.Tell.Webhooks {
		if s.webhooks[i] != "" { // it could not be read, as readSecrets has said
			c.Webhooks = append(c.Webhooks, tell.Webhook{URL: h.URL, Secret: s.webhooks[i]})
		}
	}
	return c
}

func ircConfig(cfg Config, s secrets, log zerolog.Logger) (irc.Config, error) {
	c := irc.Config{
		Server: cfg.IRC.Server, Nick: cfg.IRC.Nick, RealName: "pushtrain", Channel: cfg.IRC.Channel,
		Password: s.irc.password, QuitReason: "back soon; the queue is kept", Log: log,
	}
	if how := cfg.IRC.SASL; how.Mechanism != "" {
		c.SASL = &irc.SASL{Mechanism: how.Mechanism, Account: how.Account, Password: s.irc.sasl}
	}
	secure, err := tlsConfig(cfg.IRC)
	if err != nil {
		return c, &exitError{exitConfig, err}
	}
	if cfg.IRC.TLS {
		c.TLS = secure
		return c, nil
	}
	c.Upgrade = secure
	c.Upgraded = func(server string) {
		if err := keepUpgrade(cfg, server); err != nil {
			log.Error().Err(err).Msg("the next start begins in plain text again")
		}
	}
	server, err := upgraded(cfg)
	if err != nil {
		return c, &exitError{exitFailed, err}
	}
	if server != "" {
		log.Warn().Str("server", server).Str("file", upgradePath(cfg)).Msg("the IRC server has asked for TLS, and is reached there: write that into irc.server, and remove `tls: false`")
		c.Server, c.TLS = server, secure
	}
	return c, nil
}

// upgradePath is where the bot keeps, in one line, which server has asked for TLS and
// where. It counts for as long as the configuration names that server.
func upgradePath(cfg Config) string { return filepath.Join(cfg.StateDir, "irc.sts") }

func keepUpgrade(cfg Config, server string) error {
	return store.WriteFile(upgradePath(cfg), []byte(cfg.IRC.Server+" "+server+"\n"))
}

// upgraded is where the server of a configuration that says plain text wants TLS; "" =
// it has never asked.
func upgraded(cfg Config) (string, error) {
	line, err := readSome(upgradePath(cfg), 4<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read where the IRC server wants TLS: %w", err)
	}
	of, server, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	if of != cfg.IRC.Server {
		return "", nil
	}
	return server, nil
}

func tlsConfig(cfg IRCConfig) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(cfg.Server)
	if err != nil {
		return nil, fmt.Errorf("read irc.server: %w", err)
	}
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read irc.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("read irc.ca_file: there is no certificate in " + cfg.CAFile)
		}
	}
	if cfg.CertFile != "" {
		key, err := secretFile(cfg.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read irc.key_file: %w", err)
		}
		cert, err := tls.LoadX509KeyPair(cfg.CertFile, key)
		if err != nil {
			return nil, fmt.Errorf("read irc.cert_file: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// stackOf returns the name of the stack that a word means, or says which there are.
func stackOf(cfg Config, word string) (string, error) {
	rules := rulesOf(cfg)
	if s, ok := rules.Find(word); ok {
		return s.Name, nil
	}
	return "", exit(exitUsage, "there is no stack %s: it is one of %s", word, strings.Join(rules.Names(), ", "))
}

// hostsOf names the hosts of a stage, or says what there is instead.
func hostsOf(cfg Config, stack, stage string) ([]string, error) {
	var names []string
	for _, s := range cfg.Stacks {
		for _, g := range s.Stages {
			if s.Name == stack {
				names = append(names, g.Name)
			}
		}
	}
	f, ok := botConfig(cfg, zerolog.Nop(), nil).Fleets[deploy.Target{Stack: stack, Stage: stage}]
	switch {
	case !ok:
		return nil, exit(exitUsage, "%s has no stage %s: it is one of %s", stack, stage, strings.Join(names, ", "))
	case len(f.Hosts) == 0:
		return nil, exit(exitUsage, "%s of %s is deployed by something else: `.at %s` in the channel says that it is done", stage, stack, stage)
	}
	return f.Hosts, nil
}
