package irctest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Network is two linked InspIRCd servers with services (Atheme): people have
// accounts, and the network can split. Its methods are for one goroutine.
type Network struct {
	t     testing.TB
	dir   string
	addr  [2]string   // for clients
	tls   [2][]string // for clients with TLS
	port  [2]string   // for servers
	serve [3]daemon   // the two servers and the services
	opers [2]*Client  // one at each server
}

// NetworkOptions say what the servers of a Network leave out. The zero value is a whole one.
type NetworkOptions struct {
	NoTags bool   // no account-tag: who speaks is known by extended-join, account-notify and WHOX
	Certs  []Cert // the servers have a port with TLS for each, see TLSAddr
	STS    bool   // in plain text they ask for TLS, with the first of Certs
	Limits bool   // the server's own flood limits
}

// Inspircd starts a network that ends with the test. Without its programs the
// test is skipped, or fails where the environment variable CI is set.
func Inspircd(t testing.TB, o NetworkOptions) *Network {
	t.Helper()
	need(t, "inspircd", "inspircd")
	need(t, "atheme-services", "atheme-services")
	dir, err := os.MkdirTemp("", "network") // t.TempDir lies in a folder that services, which are never root, can't enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	n := &Network{t: t, dir: dir}
	for i := range n.serve {
		n.serve[i].t = t
	}
	for range 3 { // a free port may be taken before the server has it
		if err = n.start(o); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("start the network: %v", err)
	}
	t.Cleanup(n.end)
	for i := range n.opers {
		n.oper(i)
	}
	n.Link()
	return n
}

// oper sends the operator of a server there.
func (n *Network) oper(server int) {
	n.t.Helper()
	if gone := n.opers[server]; gone != nil {
		gone.Close()
	}
	n.opers[server] = Dial(n.t, n.addr[server], [2]string{"oper", "oper2"}[server])
	n.opers[server].Send("OPER op op")
	n.opers[server].Expect(` 381 `)
}

func (n *Network) end() {
	for i := range n.serve {
		n.serve[2-i].Kill()
	}
}

// Addr is where clients reach the first server (0) or the second (1). Services are at the first.
func (n *Network) Addr(server int) string { return n.addr[server] }

// TLSAddr is where clients reach the first server with TLS, and it has the ith of the certificates.
func (n *Network) TLSAddr(i int) string { return n.tls[0][i] }

// StopServices ends the services; accounts stay what they are.
func (n *Network) StopServices() { n.serve[2].Stop() }

// StartServices starts them again, with what they know.
func (n *Network) StartServices() {
	n.t.Helper()
	if err := n.services(); err != nil {
		n.t.Fatalf("start services: %v", err)
	}
}

// Split takes the second server from the network.
func (n *Network) Split() {
	n.t.Helper()
	n.until([2]string{"SQUIT b.test :split", "SQUIT a.test :split"}, func() bool { return !n.linked(0, "b.test") && !n.linked(1, "services.test") })
}

// Link links the two servers, unless they are linked.
func (n *Network) Link() {
	n.t.Helper()
	n.until([2]string{"CONNECT b.test"}, func() bool { return n.linked(0, "b.test") && n.linked(1, "services.test") })
}

// until has the operators say their commands, every three seconds anew, until ok says that
// it has worked: each server has its own idea of a link, and may refuse one that it has not yet given up.
func (n *Network) until(commands [2]string, ok func() bool) {
	n.t.Helper()
	for over, again := time.Now().Add(Patience), time.Now(); ; {
		if now := time.Now(); now.After(over) {
			n.t.Fatalf("%v: it never works; the servers said:\n%s\n%s", commands, strings.Join(n.opers[0].seen, "\n"), strings.Join(n.opers[1].seen, "\n"))
		} else if !now.Before(again) {
			for i, command := range commands {
				if command != "" {
					n.opers[i].Send(command)
				}
			}
			again = now.Add(3 * time.Second) // sooner, and two links are made at once, which may end both
		}
		if ok() {
			return
		}
	}
}

// linked reports whether a server of the network has another one in it.
func (n *Network) linked(at int, other string) bool {
	n.opers[at].Send("LINKS")
	found := false
	n.opers[at].ExpectFunc(Patience, "the list of links", func(line string) bool {
		found = found || strings.Contains(line, " "+other+" ")
		return strings.Contains(line, " 365 ")
	})
	return found
}

// Restart kills a server and starts it again, as a part of the network.
func (n *Network) Restart(server int) {
	n.t.Helper()
	n.serve[server].Kill()
	if err := n.run(server); err != nil {
		n.t.Fatalf("restart a server: %v", err)
	}
	n.oper(server)
	n.Link()
}

// Freeze stops a server: links stay open and nothing is answered. Thaw has it go on.
func (n *Network) Freeze(server int) { n.serve[server].Freeze() }

// Thaw is the end of Freeze.
func (n *Network) Thaw(server int) { n.serve[server].Thaw() }

// Mode changes the modes of a channel, whoever has the right to.
func (n *Network) Mode(channel, modes string) {
	n.opers[0].Send("SAMODE " + channel + " " + modes)
	n.opers[0].Sync()
}

// Kick throws somebody out of a channel.
func (n *Network) Kick(channel, nick string) {
	n.opers[0].Send("SAKICK " + channel + " " + nick + " :out with you")
	n.opers[0].Sync()
}

// Kill ends somebody's link to the network.
func (n *Network) Kill(nick string) {
	n.opers[0].Send("KILL " + nick + " :off with you")
	n.opers[0].Sync()
}

func (n *Network) start(o NetworkOptions) error {
	for i := range n.addr {
		n.addr[i] = freeAddr(n.t)
		_, n.port[i], _ = net.SplitHostPort(freeAddr(n.t)) // it comes from a listener
	}
	for i := range n.tls {
		n.tls[i] = nil
		for range o.Certs {
			n.tls[i] = append(n.tls[i], freeAddr(n.t))
		}
	}
	for i, name := range servers {
		if err := os.WriteFile(n.file(name+".conf"), []byte(n.server(i, o)), 0o600); err != nil {
			return err
		}
		if err := n.run(i); err != nil {
			n.end()
			return err
		}
	}
	if err := n.services(); err != nil {
		n.end()
		return err
	}
	return nil
}

// servers are the names of the two, without their domain.
var servers = [2]string{"a", "b"}

// run starts a server that has its configuration.
func (n *Network) run(server int) error {
	args := []string{"--config", n.file(servers[server] + ".conf"), "--nofork", "--nopid"}
	if os.Getuid() == 0 {
		args = append(args, "--runasroot")
	}
	return n.serve[server].start(exec.Command("inspircd", args...), "InspIRCd is now running")
}

// services starts Atheme, as somebody else where the test is root: Atheme refuses that.
func (n *Network) services() error {
	data := n.file("services")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	conf := filepath.Join(data, "atheme.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, atheme, n.port[0]), 0o644); err != nil {
		return err
	}
	cmd := exec.Command("atheme-services", "-n", "-c", conf, "-D", data, "-p", filepath.Join(data, "pid"), "-l", filepath.Join(data, "log"))
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := os.Chown(data, nobody, nobody); err != nil {
			return err
		}
		if err := os.Chmod(n.dir, 0o755); err != nil {
			return err
		}
	}
	return n.serve[2].start(cmd, "finished synching with uplink")
}

func (n *Network) file(name string) string { return filepath.Join(n.dir, name) }

// server is the configuration of server i: no limits that a test would meet, unless it
// wants them, and no operator by chance.
func (n *Network) server(i int, o NetworkOptions) string {
	modules := "spanningtree services_account cap sasl ircv3 ircv3_capnotify ircv3_chghost ircv3_servertime " +
		"samode sakick " + // for Mode and Kick
		"botmode ircv3_ctctags chanhistory " +
		"deaf hidechans servprotect globops svshold cban chghost chgident namesx" // what Atheme asks for
	if !o.NoTags {
		modules += " ircv3_accounttag"
	}
	var b strings.Builder
	_, port, _ := net.SplitHostPort(n.addr[i]) // it comes from a listener
	limits := `hardsendq="1048576" softsendq="1048576" recvq="65536" threshold="100000" commandrate="1000000" fakelag="no"`
	if o.Limits {
		limits = `hardsendq="262144" softsendq="8192" recvq="8192" threshold="10"` // as Debian has it
	}
	fmt.Fprintf(&b, inspircd, n.dir, servers[i], i+1, port, n.port[i], servers[1-i], n.port[1-i], limits)
	if len(o.Certs) > 0 {
		modules += " ssl_gnutls sslinfo"
	}
	for j, c := range o.Certs {
		_, port, _ := net.SplitHostPort(n.tls[i][j]) // it comes from a listener
		fmt.Fprintf(&b, "<sslprofile name=\"tls%d\" provider=\"gnutls\" certfile=%q keyfile=%q hash=\"sha256\">\n", j, c.CertFile, c.KeyFile)
		fmt.Fprintf(&b, "<bind address=\"127.0.0.1\" port=%q type=\"clients\" ssl=\"tls%d\">\n", port, j)
		if o.STS && j == 0 {
			modules += " ircv3_sts"
			fmt.Fprintf(&b, "<sts host=\"*\" port=%q duration=\"5m\">\n", port)
		}
	}
	for m := range strings.FieldsSeq(modules) {
		fmt.Fprintf(&b, "<module name=%q>\n", m)
	}
	return b.String()
}

const inspircd = `<config format="xml">
<path moduledir="/usr/lib/inspircd/modules" datadir="%[1]s" logdir="%[1]s" runtimedir="%[1]s" configdir="%[1]s">
<server name="%[2]s.test" description="test" network="test" id="%[3]dAA">
<admin name="test" nick="test" email="test@a.test">
<bind address="127.0.0.1" port="%[4]s" type="clients">
<bind address="127.0.0.1" port="%[5]s" type="servers">
<options defaultmodes="no">
<connect name="main" allow="*" timeout="60" pingfreq="120" localmax="5000" globalmax="5000" %[8]s resolvehostnames="no" useident="no">
<class name="all" commands="*" privs="*" usermodes="*" chanmodes="*">
<type name="op" classes="all">
<oper name="op" password="op" host="*@*" type="op">
<limits maxnick="30" maxuser="20" maxtopic="307">
<link name="services.test" ipaddr="127.0.0.1" port="0" allowmask="127.0.0.1" sendpass="x" recvpass="x">
<link name="%[6]s.test" ipaddr="127.0.0.1" port="%[7]s" allowmask="127.0.0.1" sendpass="x" recvpass="x">
<uline server="services.test" silent="yes">
<sasl target="services.test">
`

const atheme = `loadmodule "modules/protocol/inspircd";
loadmodule "modules/backend/opensex";
loadmodule "modules/nickserv/main";
loadmodule "modules/nickserv/register";
loadmodule "modules/nickserv/ghost";
loadmodule "modules/nickserv/logout";
loadmodule "modules/nickserv/identify";
loadmodule "modules/saslserv/main";
loadmodule "modules/nickserv/set_core";
loadmodule "modules/nickserv/set_password";
loadmodule "modules/nickserv/cert";
loadmodule "modules/saslserv/plain";
loadmodule "modules/saslserv/external";
nickserv { nick = "NickServ"; user = "NickServ"; host = "services.test"; real = "test"; };
saslserv { nick = "SaslServ"; user = "SaslServ"; host = "services.test"; real = "test"; };
serverinfo {
	name = "services.test"; desc = "test"; numeric = "00A"; netname = "test"; hidehostsuffix = "users.test"; recontime = 1;
	adminname = "test"; adminemail = "test@a.test"; registeremail = "test@a.test"; mta = "/bin/true"; loglevel = { error; info; };
	maxlogins = 1000; maxusers = 1000; mdlimit = 30; emaillimit = 100000; emailtime = 1; auth = none; casemapping = rfc1459;
};
uplink "a.test" { host = "127.0.0.1"; port = %s; send_password = "x"; receive_password = "x"; };
general { flood_msgs = 0; ratelimit_uses = 0; uflags = { hidemail; }; };
`
