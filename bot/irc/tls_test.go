package irc

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lrstanley/girc"
	"github.com/rs/zerolog"

	"pushtrain/bot/irc/irctest"
)

// trusts is a configuration of TLS that trusts an authority, and has certificates of its own.
func trusts(t *testing.T, a *irctest.Authority, own ...irctest.Cert) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(a.File)
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{RootCAs: x509.NewCertPool()}
	if !c.RootCAs.AppendCertsFromPEM(text) {
		t.Fatalf("no certificate in %s", a.File)
	}
	for _, o := range own {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		c.Certificates = append(c.Certificates, pair)
	}
	return c
}

// diary is a log that can be read while it is written.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

// logged is one line of it.
type logged struct {
	Level, Error, Cure, Message string
	Try, After                  int
}

func (d *diary) entries(t *testing.T) (all []logged) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for line := range strings.Lines(d.text.String()) {
		var e logged
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// greets is a server that takes links and says this, and nothing else.
func greets(t *testing.T, text string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepts sync.WaitGroup
	accepts.Go(func() {
		var all []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			all = append(all, conn)
			_, _ = io.WriteString(conn, text) // who has left needs no greeting
		}
		for _, conn := range all {
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		accepts.Wait()
	})
	return l.Addr().String()
}

// telling are the words with which a bot tells a server who it is.
var telling = []string{"PASS ", "NICK ", "USER ", "AUTHENTICATE ", "JOIN ", "secret", base64.StdEncoding.EncodeToString([]byte("pushbot\x00pushbot\x00secret"))}

// TestGettingIn: a link that can't be trusted, or a login that fails, is the end of
// that try: nothing is told in plain text, the channel never sees the bot, the reason
// is one warning, with its cure, however often it is tried, and the bot comes in by
// itself when the server is mended.
func TestGettingIn(t *testing.T) {
	t.Parallel()
	ca, other := irctest.NewAuthority(t), irctest.NewAuthority(t)
	now, day := time.Now(), 24*time.Hour
	own, strange := ca.Sign("pushbot", now), other.Sign("pushbot", now)
	n := irctest.Inspircd(t, irctest.NetworkOptions{Certs: []irctest.Cert{
		ca.Sign("127.0.0.1", now), other.Sign("127.0.0.1", now), ca.Sign("irc.other.test", now), ca.Sign("127.0.0.1", now.Add(-2*day)), ca.Sign("127.0.0.1", now.Add(2*day)),
	}})
	good := n.TLSAddr(0)
	registrar := irctest.Dial(t, n.Addr(0), "registrar")
	registrar.Register("pushbot")
	registrar.Say("NickServ", "CERT ADD "+own.Fingerprint)
	registrar.Expect(`NOTICE pushbot :.*fingerprint`)
	for _, account := range []string{"forgetful", "certless"} {
		irctest.Dial(t, n.Addr(0), account).Register(account)
	}
	watcher := irctest.Dial(t, n.Addr(0), "watcher")
	watcher.Join("#push")
	plain := func(account string) func(*Config) {
		return func(c *Config) {
			c.SASL = &SASL{Mechanism: "plain", Account: account, Password: "secret"}
		}
	}
	external := func(cert irctest.Cert) func(*Config) {
		return func(c *Config) {
			c.TLS = trusts(t, ca, cert)
			c.SASL = &SASL{Mechanism: "EXTERNAL"}
		}
	}
	// person is somebody with an account who mends what services know of it.
	person := func(nick, account, text string) func() {
		return func() {
			c := irctest.DialAs(t, n.Addr(0), irctest.Person{Nick: nick, Account: account})
			c.Say("NickServ", text)
			c.Expect(`NOTICE ` + nick + ` :`)
		}
	}
	cases := map[string]struct {
		to     string
		change func(*Config)
		reason string // "" = it is in at once
		cure   string
		mend   func() // nil: the server gets a good certificate
	}{
		"plain":             {to: good, change: plain("pushbot")},
		"external":          {to: good, change: external(own)},
		"unknown authority": {to: n.TLSAddr(1), change: plain("pushbot"), reason: "signed by unknown authority", cure: "irc.ca_file"},
		"wrong name":        {to: n.TLSAddr(2), change: plain("pushbot"), reason: "doesn't contain any IP SANs", cure: "irc.server has to call"},
		"expired":           {to: n.TLSAddr(3), change: plain("pushbot"), reason: "has expired or is not yet valid: current time", cure: "renewed"},
		"not yet valid":     {to: n.TLSAddr(4), change: plain("pushbot"), reason: "is before", cure: "renewed"},
		"plain text":        {to: greets(t, "NOTICE * :*** Looking up your hostname\r\n"), change: plain("pushbot"), reason: "first record does not look like a TLS handshake", cure: "irc.server"},
		"no TLS":            {to: n.Addr(0), change: plain("pushbot"), reason: "TLS handshake: no answer for 10s", cure: "irc.server"},
		"stalled":           {to: greets(t, ""), change: plain("pushbot"), reason: "TLS handshake: no answer for 10s", cure: "irc.server"},
		"wrong password": {to: good, change: func(c *Config) { plain("forgetful")(c); c.SASL.Password = "hunter22" },
			reason: "the SASL login is refused", cure: "irc.sasl", mend: person("mender1", "forgetful", "SET PASSWORD hunter22")},
		"unknown certificate": {to: good, change: external(strange), reason: "the SASL login is refused", cure: "CERT ADD", mend: person("mender2", "certless", "CERT ADD "+strange.Fingerprint)},
	}
	// All at once, each step of all before the next one of any.
	type attempt struct {
		tap *irctest.Tap
		log *diary
		r   *reader
	}
	all := map[string]attempt{}
	for name, c := range cases {
		a := attempt{tap: irctest.NewTap(t, c.to), log: &diary{}}
		a.r = open(t, a.tap.Addr, func(cfg *Config) {
			cfg.TLS, cfg.Nick, cfg.Log = trusts(t, ca), "bot-"+strings.ReplaceAll(name, " ", "-"), zerolog.New(a.log)
			c.change(cfg)
		})
		all[name] = a
	}
	tries := func(name string) int {
		switch {
		case cases[name].reason == "":
			return 0
		case strings.Contains(cases[name].reason, "no answer"):
			return 1 // it takes its time
		}
		return 2
	}
	for try := range 2 {
		for name, a := range all {
			if try >= tries(name) {
				continue
			}
			e := nextEvent(a.r)
			if off, ok := e.(Offline); !ok || !strings.Contains(off.Err.Error(), cases[name].reason) || off.Retry <= 0 {
				t.Fatalf("%s: %T%+v, want Offline: %s", name, e, e, cases[name].reason)
			}
		}
	}
	for name, c := range cases {
		if all[name].tap.Sent() == "" {
			t.Errorf("%s: nothing was sent that could be looked at", name)
		}
		if c.mend != nil {
			c.mend()
		} else {
			all[name].tap.To(good)
		}
	}
	for name, a := range all {
		next[Online](a.r, nil)
		for _, word := range telling {
			if strings.Contains(a.tap.Sent(), word) {
				t.Errorf("%s: %q went to the server in plain text", name, word)
			}
		}
		warnings, c := 0, cases[name]
		for _, e := range a.log.entries(t) {
			if e.Level == "warn" {
				warnings++
				if !strings.Contains(e.Error, c.reason) || !strings.Contains(e.Cure, c.cure) || c.cure == "" || e.Try != 1 {
					t.Errorf("%s: logged: %+v", name, e)
				}
			}
			if e.Message == "in the channel" && (e.Level != "info" || e.After < tries(name)) {
				t.Errorf("%s: logged: %+v after %d tries", name, e, tries(name))
			}
		}
		if want := min(tries(name), 1); warnings != want {
			t.Errorf("%s: %d warnings, want %d", name, warnings, want)
		}
		a.r.stop()
	}

	// Services go while the bot is in: it stays. They are away when it comes: it does not.
	tap, log := irctest.NewTap(t, good), &diary{}
	r := open(t, tap.Addr, func(cfg *Config) {
		plain("pushbot")(cfg)
		cfg.TLS, cfg.Log = trusts(t, ca), zerolog.New(log)
	})
	next[Online](r, nil)
	watcher.Expect(`^:bot!\S+ JOIN `)
	n.StopServices()
	watcher.Say("#push", "still there?")
	if e := next[Said](r, nil); e.Text != "still there?" {
		t.Errorf("said: %+v", e)
	}
	tap.Cut()
	next[Offline](r, nil)
	if e, ok := nextEvent(r).(Offline); !ok || e.Err != errNoSASL {
		t.Fatalf("without services: %+v", e)
	}
	for _, line := range watcher.Sync() {
		if strings.HasPrefix(line, ":bot!") && strings.Contains(line, " JOIN ") {
			t.Errorf("without a login: %s", line)
		}
	}
	n.StartServices()
	next[Online](r, nil)
	told := 0
	for _, e := range log.entries(t) {
		if e.Level == "warn" && e.Error == errNoSASL.Error() {
			told++
		}
	}
	if told != 1 {
		t.Errorf("that there is no login was told %d times", told)
	}
}

// nextEvent waits for any event that is about the link.
func nextEvent(r *reader) Event {
	r.t.Helper()
	return next(r, func(e Event) bool {
		switch e.(type) {
		case Online, Offline:
			return true
		}
		return false
	})
}

// TestWantsCertificate: a server that takes nobody without a certificate that it knows.
func TestWantsCertificate(t *testing.T) {
	ca := irctest.NewAuthority(t)
	its := ca.Sign("127.0.0.1", time.Now())
	pair, err := tls.LoadX509KeyPair(its.CertFile, its.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serves sync.WaitGroup
	serves.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if err := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert}).Handshake(); err == nil {
				t.Error("it is taken without a certificate")
			}
			_, _ = io.Copy(io.Discard, conn) // what comes before it has heard so
			_ = conn.Close()
		}
	})
	defer serves.Wait()
	defer l.Close()
	r := open(t, l.Addr().String(), func(c *Config) { c.TLS = trusts(t, ca) })
	e := next[Offline](r, nil)
	if !strings.Contains(e.Err.Error(), "certificate required") || !strings.Contains(Cure(e.Err), "irc.cert_file") {
		t.Errorf("offline: %v; %s", e.Err, Cure(e.Err))
	}
	r.stop()
}

// TestCure: the reasons that no story above has.
func TestCure(t *testing.T) {
	for want, err := range map[string]error{
		"services to come back":   fmt.Errorf("try: %w", errNoSASL),
		"irc.password_file":       &passwordError{"no"},
		"without `tls: false`":    &WantsTLS{},
		"port 6697 in irc.server": &WantsTLS{Port: 6697},
		"nothing listens there":   &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
	} {
		if got := Cure(err); !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %s", err, got, want)
		}
	}
	if got := Cure(errors.New("kicked")); got != "" {
		t.Errorf("a kick has the cure %q", got)
	}
}

// TestSTS: a server that is reached in plain text and asks for TLS is told nothing
// before, and is never spoken to in plain text again.
func TestSTS(t *testing.T) {
	t.Parallel()
	ca := irctest.NewAuthority(t)
	n := irctest.Inspircd(t, irctest.NetworkOptions{STS: true, Certs: []irctest.Cert{ca.Sign("127.0.0.1", time.Now())}})
	irctest.Dial(t, n.Addr(0), "registrar").Register("pushbot")
	tap, log, told := irctest.NewTap(t, n.Addr(0)), &diary{}, make(chan string, 9)
	r := open(t, tap.Addr, func(c *Config) {
		c.Password, c.SASL = "secret", &SASL{Mechanism: "plain", Account: "pushbot", Password: "secret"}
		c.Upgrade, c.Upgraded, c.Log = trusts(t, ca), func(server string) { told <- server }, zerolog.New(log)
	})
	e, ok := nextEvent(r).(Offline)
	if !ok || Cure(e.Err) == "" {
		t.Fatalf("in plain text: %+v", e)
	}
	_, port, _ := net.SplitHostPort(n.TLSAddr(0))
	if want := "its port " + port; !strings.Contains(e.Err.Error(), want) {
		t.Errorf("offline: %v, want %s", e.Err, want)
	}
	next[Online](r, nil)
	if server := <-told; server != n.TLSAddr(0) {
		t.Errorf("upgraded to %s, want %s", server, n.TLSAddr(0))
	}
	oper := irctest.Dial(t, n.Addr(0), "someone")
	oper.Join("#push")
	n.Kill("bot")
	next[Offline](r, nil)
	next[Online](r, nil)
	if sent := tap.Sent(); sent != "CAP LS 302\r\n" || tap.Links() != 1 {
		t.Errorf("in plain text, on %d links: %q", tap.Links(), sent)
	}
}

// TestPolicy: what a policy of STS may say, and to whom.
func TestPolicy(t *testing.T) {
	for policy, want := range map[string]int{
		"port=6697": 6697, "duration=300,port=6697": 6697, "port=6697,duration=0": 6697, "duration=300": 0, "port=": 0, "port=0": 0, "port=65536": 0, "port=-1": 0, "port=x": 0, "": 0,
	} {
		if got := port(policy); got != want {
			t.Errorf("port(%q) = %d, want %d", policy, got, want)
		}
	}
	endless := newSession(New(Config{Server: "127.0.0.1:1", Nick: "bot", Channel: "#push"}), &mouth{})
	var err error
	for range maxOffered {
		if err == nil {
			err = endless.handle(*girc.ParseEvent(":s CAP * LS * :a b"))
		}
	}
	if err == nil {
		t.Error("a list that does not end is read for ever")
	}
	for _, said := range []string{":s CAP * LS :sts=duration=300", ":s CAP * LS * :a b\n:s CAP * LS :sts=port=1", ":s CAP bot NEW :sts=port=6697"} {
		for _, secure := range []bool{false, true} {
			l := New(Config{Server: "127.0.0.1:1", Nick: "bot", Channel: "#push"})
			if secure {
				l.cfg.TLS = &tls.Config{}
			}
			s := newSession(l, &mouth{})
			var err error
			for line := range strings.Lines(said) {
				if err == nil {
					err = s.handle(*girc.ParseEvent(line))
				}
			}
			if _, wants := err.(*WantsTLS); wants == secure {
				t.Errorf("%q with TLS %v: %v", said, secure, err)
			}
		}
	}
}

// TestOldServers: who knows no CAP says so, or says nothing; then the bot registers all the same.
func TestOldServers(t *testing.T) {
	for _, answer := range []string{":s 421 * CAP :Unknown command", ":s 451 * :You have not registered", ""} {
		bubble(t, []func(*peer){func(p *peer) { p.old, p.says = true, answer }}, func(t *testing.T, r *reader, _ func(int) *peer) {
			began := time.Now()
			next[Online](r, nil)
			if took := time.Since(began); (took >= offerLimit) != (answer == "") {
				t.Errorf("%q: in after %v", answer, took)
			}
		})
	}
}

// TestHasty: a server in plain text that does not say what it offers hears nothing, whatever else it says.
func TestHasty(t *testing.T) {
	l := New(Config{Server: "127.0.0.1:1", Nick: "bot", Channel: "#push"})
	server := &mouth{}
	s := newSession(l, server)
	for _, line := range []string{":s 433 * bot :taken", ":s 432 * bot :bad", ":s 001 bot :hi", ":s 376 bot :end", ":s 904 * :no"} {
		if err := s.handle(*girc.ParseEvent(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if err := s.advance(s.since); err != nil {
			t.Error(err)
		}
	}
	if said := server.heard.String(); said != "" || s.phase != registering {
		t.Errorf("it says %q", said)
	}
}

// TestGate: in plain text nothing but the question what the server offers goes out before
// the session has read the answer, however soon girc has.
func TestGate(t *testing.T) {
	server := &mouth{}
	s := newSession(New(Config{Server: "127.0.0.1:1", Nick: "bot", Channel: "#push"}), server)
	const asks, rest = "CAP LS 302\r\n", "NICK bot\r\nUSER bot * * :bot\r\nCAP REQ :away-notify\r\n"
	for line := range strings.Lines(asks + rest) {
		if _, err := s.wire.Write([]byte(line)); err != nil {
			t.Error(err)
		}
	}
	if said := server.heard.String(); said != asks {
		t.Errorf("before the answer it says %q", said)
	}
	if err := s.handle(*girc.ParseEvent(":s CAP * LS :away-notify")); err != nil {
		t.Error(err)
	}
	if said := server.heard.String(); said != asks+rest {
		t.Errorf("after the answer it has said %q", said)
	}
}

// TestLoggedOut: a bot that was logged out is nobody, and comes again.
func TestLoggedOut(t *testing.T) {
	server := listen(t, accounts)
	r := open(t, server.Addr(), login)
	next[Online](r, nil)
	server.Inject("bot", ":s 901 bot bot!b@h :You are now logged out")
	if e := next[Offline](r, nil); e.Err != errLoggedOut {
		t.Errorf("offline: %v", e.Err)
	}
	next[Online](r, nil)
}
