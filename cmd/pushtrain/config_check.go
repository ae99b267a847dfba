package main

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"pushtrain/deploy/host"
	"pushtrain/train"
)

// reserved are the words of the notation and of the channel's commands, of the bot
// here and of the bots whose habits its people bring along. No stack, stage or alias
// may be called like one: it could be neither said nor read back from the topic.
var reserved = strings.Fields(`
	join leave nevermind nm olvidate unir con antes ultimo with before last askme pop drive
	good in go great si bueno listo uhoh bad notgood fml at done finito abort rollback
	confirm hold unhold kick hotfix message topic queue status eta stats log quiet help version clear`)

// check notes what is wrong in a Config that was read, beyond its types.
func check(d *decoder, c *Config) {
	checkIRC(d, &c.IRC)
	if c.Train.Cap < 1 && d.ok("train.cap") {
		d.problem("train.cap", "must be at least 1")
	}
	if c.Train.Idle <= 0 && d.ok("train.idle") {
		d.problem("train.idle", "must be more than 0s")
	}
	if o := c.Train.Open; (o <= 0 || o > 24*time.Hour) && d.ok("train.open") {
		d.problem("train.open", "must be more than 0s and at most 24h")
	}
	checkHours(d, c.Train)
	if c.SSH.Parallel < 1 && d.ok("ssh.parallel") {
		d.problem("ssh.parallel", "must be at least 1")
	}
	if least := 3 * host.BusyEvery; c.SSH.Stall < least && d.ok("ssh.stall") { // it says now and then that it is busy
		d.problem("ssh.stall", "must be at least %s", least)
	}
	if c.SSH.Retries < 0 && d.ok("ssh.retries") {
		d.problem("ssh.retries", "must be at least 0")
	}
	checkStacks(d, c.Stacks)
	checkWeb(d, c.Web)
	checkTell(d, c.Tell)
	checkPeople(d, c.People)
	if c.Audit < 0 && d.ok("audit") {
		d.problem("audit", "must not be less than 0s, which is never")
	}
	if c.BuildDir != "" && !filepath.IsAbs(c.BuildDir) && d.ok("build_dir") {
		d.problem("build_dir", "%q must begin with /", c.BuildDir)
	}
	if !filepath.IsAbs(c.StateDir) && d.ok("state_dir") {
		d.problem("state_dir", "%q must begin with /", c.StateDir)
	}
}

// checkHours notes what is wrong with when trains depart.
func checkHours(d *decoder, c TrainConfig) {
	if c.Hours != "" && d.ok("train.hours") {
		if _, err := train.ParseWindows(c.Hours); err != nil {
			d.problem("train.hours", "%v", err)
		}
	}
	if _, err := time.LoadLocation(c.TimeZone); (err != nil || c.TimeZone == "Local" || c.TimeZone == "") && d.ok("train.time_zone") {
		d.problem("train.time_zone", "%q is no time zone: write a name such as Europe/Berlin", c.TimeZone)
	}
	for i, h := range c.Holidays {
		key := fmt.Sprintf("train.holidays[%d]", i)
		at := key
		if d.at[key+".date"] != nil {
			at += ".date"
		}
		switch _, err := time.Parse(time.DateOnly, h.Date); {
		case !d.ok(at):
		case err != nil:
			d.problem(at, "%q is no date: write one such as 2026-12-25", h.Date)
		case slices.ContainsFunc(c.Holidays[:i], func(o HolidayConfig) bool { return o.Date == h.Date }):
			d.problem(at, "%s is listed twice", h.Date)
		}
	}
}

// checkPeople sees to it that each author is one person.
func checkPeople(d *decoder, people []PersonConfig) {
	whose := map[string]string{}
	for i, p := range people {
		key := fmt.Sprintf("people[%d]", i)
		if !nickForm.MatchString(p.Nick) && d.ok(key+".nick") {
			d.problem(key+".nick", "%q is no nick", p.Nick)
		}
		if len(p.CommitsAs) == 0 && d.ok(key+".commits_as") {
			d.problem(key+".commits_as", "is missing: the names or addresses that %s commits under", p.Nick)
		}
		for j, author := range p.authors() {
			at := fmt.Sprintf("%s.commits_as[%d]", key, j)
			switch other, taken := whose[author]; {
			case author == "":
				d.problem(at, "is empty")
			case taken:
				d.problem(at, "%s is %s already", author, other)
			}
			whose[author] = p.Nick
		}
	}
}

var (
	nickForm    = regexp.MustCompile("^[A-Za-z\\[\\]\\\\`_^{|}][A-Za-z0-9\\[\\]\\\\`_^{|}-]{0,63}$")
	channelForm = regexp.MustCompile(`^[#&+!][^\s,\x07:]{1,63}$`)
	prefixForm  = regexp.MustCompile(`^[!-.:-@\[-` + "`" + `{-~]{1,4}$`) // printable, no letters, digits or /
)

func checkIRC(d *decoder, c *IRCConfig) {
	host, _, err := splitHostPort(c.Server)
	switch {
	case !d.need("irc.server", c.Server, "the IRC server as host:port"):
	case err != nil:
		d.problem("irc.server", "%v", err)
	case !c.TLS && !c.Insecure && !isLoopback(host):
		d.problem("irc.tls", "plain text to %s would show passwords to the network: remove `tls: false`, or say `insecure: true`", host)
	}
	if c.CertFile == "" && c.KeyFile != "" {
		d.problem("irc.key_file", "goes together with cert_file")
	}
	if c.CertFile != "" && c.KeyFile == "" {
		d.problem("irc.cert_file", "goes together with key_file")
	}
	if d.need("irc.nick", c.Nick, "the bot's nick") && !nickForm.MatchString(c.Nick) {
		d.problem("irc.nick", "%q is no nick", c.Nick)
	}
	if d.need("irc.channel", c.Channel, `the channel, quoted, such as "#push"`) && !channelForm.MatchString(c.Channel) {
		d.problem("irc.channel", "%q is no channel: write it such as \"#push\"", c.Channel)
	}
	if d.need("irc.prefix", c.Prefix, "what commands begin with") && !prefixForm.MatchString(c.Prefix) {
		d.problem("irc.prefix", "%q: use one to four signs such as . or !; IRC clients keep / for themselves", c.Prefix)
	}
	checkSASL(d, c)
	if modes := []string{"auto", "account", "hostmask", "nick"}; !slices.Contains(modes, c.Identity) && d.ok("irc.identity") {
		d.problem("irc.identity", "%q is none of %s%s", c.Identity, strings.Join(modes, ", "), didYouMean(c.Identity, modes))
	}
	if c.ConfirmCode && c.Identity == "account" {
		d.problem("irc.confirm_code", "an account proves who starts a rollout, and no code is asked: remove it, or set identity to auto")
	}
	for i, op := range c.Ops {
		key := fmt.Sprintf("irc.ops[%d]", i)
		if (op == "" || strings.ContainsAny(op, " \t\r\n")) && d.ok(key) {
			d.problem(key, "%q is no name of a person", op)
		} else if at := slices.Index(c.Ops, op); at < i {
			d.problem(key, "%s is listed twice", op)
		}
	}
}

// checkWeb keeps the page on this machine, unless a proxy says who asks: it has no
// TLS of its own, so that a password would cross the network in plain text.
func checkWeb(d *decoder, c WebConfig) {
	host, _, err := splitHostPort(c.Listen)
	switch {
	case c.Listen == "" || !d.ok("web.listen"):
	case err != nil:
		d.problem("web.listen", "%v, or \"\" for no page", err)
	case !isLoopback(host) && c.Auth.Mode == "basic":
		d.problem("web.listen", "%s is open to the network, and passwords would cross it in plain text: listen on 127.0.0.1, and let a proxy with TLS pass requests on (its name goes into web.names)", c.Listen)
	case !isLoopback(host) && c.Auth.Mode != "header":
		d.problem("web.listen", "%s is open to the network, and the page asks nobody who they are: listen on 127.0.0.1, and let a proxy that asks pass requests on (its name goes into web.names)", c.Listen)
	}
	checkAuth(d, c)
	for i, name := range c.Names {
		key := fmt.Sprintf("web.names[%d]", i)
		if !hostForm.MatchString(name) && d.ok(key) {
			d.problem(key, "%.80q is no name of a host: write it without http:// and without a port", name)
		}
	}
}

// checkAuth notes what is wrong with how the page learns who asks.
func checkAuth(d *decoder, c WebConfig) {
	const key = "web.auth"
	a := c.Auth
	switch a.Mode {
	case "":
		if a.PasswordFile != "" || a.Header != "" || len(a.Proxies) > 0 {
			d.problem(key, "has no mode: add `mode: basic` for passwords, or header for a proxy that says who asks")
		}
	case "basic":
		d.need(key+".password_file", a.PasswordFile, "a file that `htpasswd -B` makes")
		if a.Header != "" || len(a.Proxies) > 0 {
			d.problem(key, "header and proxies belong to `mode: header`")
		}
	case "header":
		if d.need(key+".header", a.Header, "the header in which the proxy says who asks, such as X-Remote-User") && !headerForm.MatchString(a.Header) {
			d.problem(key+".header", "%.80q is no name of a header", a.Header)
		}
		if len(a.Proxies) == 0 && d.ok(key+".proxies") {
			d.problem(key+".proxies", "is missing: give the addresses of the proxies; whoever else comes could say they are anybody")
		}
		if a.PasswordFile != "" {
			d.problem(key+".password_file", "belongs to `mode: basic`")
		}
	default:
		d.problem(key+".mode", "%q is neither basic nor header", a.Mode)
	}
	for i, p := range a.Proxies {
		at := fmt.Sprintf("%s.proxies[%d]", key, i)
		switch n, err := network(p); {
		case !d.ok(at):
		case err != nil:
			d.problem(at, "%.80q is no address and no network such as 10.0.0.0/24", p)
		case n.Bits() == 0:
			d.problem(at, "%s is everybody: they could say they are anybody", p)
		}
	}
	whose := map[string]string{}
	for i, u := range c.Users {
		at := fmt.Sprintf("web.users[%d]", i)
		if _, taken := whose[u.User]; taken {
			d.problem(at+".user", "%s is listed twice", u.User)
		}
		whose[u.User] = u.Nick
		if d.need(at+".user", u.User, "the name that is logged in with") && !nickForm.MatchString(u.Nick) && d.ok(at+".nick") {
			d.problem(at+".nick", "%.80q is no nick", u.Nick)
		}
	}
}

func checkTell(d *decoder, c TellConfig) {
	for i, h := range c.Webhooks {
		key := fmt.Sprintf("tell.webhooks[%d]", i)
		if d.need(key+".url", h.URL, "the address that entries are posted to") {
			checkURL(d, key+".url", h.URL)
		}
		d.need(key+".secret_file", h.SecretFile, "a file that holds what signs them")
	}
	for key, addr := range map[string]string{"tell.graphite": c.Graphite, "tell.statsd": c.StatsD} {
		host, port, err := splitHostPort(addr)
		if addr != "" && (err != nil || host == "" || port == 0) && d.ok(key) {
			d.problem(key, "%q is not host:port", addr)
		}
	}
}

// headerForm is a name of a header that no other header is read as.
var headerForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)

// network reads an address, or a network.
func network(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// hostForm is what people type into a browser between // and the port.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

// checkURL notes what is wrong with an address that the page links to.
func checkURL(d *decoder, key, text string) {
	u, err := url.Parse(text)
	if (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") && d.ok(key) {
		d.problem(key, "%.80q: write an address such as https://git.example.net/web", text)
	}
}

func checkSASL(d *decoder, c *IRCConfig) {
	const key = "irc.sasl"
	switch s := c.SASL; s.Mechanism {
	case "":
		if s.Account != "" || s.PasswordFile != "" {
			d.problem(key, "has no mechanism: add `mechanism: plain`, or external for a certificate")
		}
	case "plain":
		d.need(key+".account", s.Account, "the account to log in to")
		d.need(key+".password_file", s.PasswordFile, "a file that holds its password")
	case "external":
		if c.CertFile == "" {
			d.problem(key+".mechanism", "external needs irc.cert_file and irc.key_file")
		}
	default:
		d.problem(key+".mechanism", "%q is neither plain nor external", s.Mechanism)
	}
}

// need notes that a value is missing and returns whether there is one. A key that
// was found wrong already is not looked at again.
func (d *decoder) need(key, value, what string) bool {
	if value == "" && d.ok(key) {
		d.problem(key, "is missing: give %s", what)
	}
	return value != "" && d.ok(key)
}

// splitHostPort reads host:port.
func splitHostPort(s string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(s)
	if err == nil {
		port, err = strconv.Atoi(p)
	}
	if err != nil || port < 0 || port > 65535 || strings.ContainsAny(host, " /\t\r\n") {
		return "", 0, fmt.Errorf("%q is not host:port", s)
	}
	return host, port, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
