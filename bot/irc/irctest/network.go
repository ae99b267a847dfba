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
	addr  [2]string  // for clients
	port  [2]string  // for servers
	serve [3]daemon  // the two servers and the services
	opers [2]*Client // one at each server
}

// NetworkOptions say what the servers of a Network leave out. The zero value is a whole one.
type NetworkOptions struct {
	NoTags bool // no account-tag: who speaks is known by extended-join, account-notify and WHOX
	Limits bool // the server's own flood limits
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
	for i, nick := range []string{"oper", "oper2"} {
		n.opers[i] = Dial(t, n.addr[i], nick)
		n.opers[i].Send("OPER op op")
		n.opers[i].Expect(` 381 `)
	}
	n.Link()
	return n
}

func (n *Network) end() {
	for i := range n.serve {
		n.serve[2-i].Kill()
	}
}

// Addr is where clients reach the first server (0) or the second (1). Services are at the first.
func (n *Network) Addr(server int) string { return n.addr[server] }

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

// until has the operators say their commands, every second anew, until ok says that
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
			again = now.Add(time.Second)
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
	for i, name := range []string{"a", "b"} {
		if err := os.WriteFile(n.file(name+".conf"), []byte(n.server(i, o)), 0o600); err != nil {
			return err
		}
		args := []string{"--config", n.file(name + ".conf"), "--nofork", "--nopid"}
		if os.Getuid() == 0 {
			args = append(args, "--runasroot")
		}
		if err := n.serve[i].start(exec.Command("inspircd", args...), "InspIRCd is now running"); err != nil {
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
		"deaf hidechans servprotect globops svshold cban chghost chgident namesx" // from deaf on: what Atheme asks for
	if !o.NoTags {
		modules += " ircv3_accounttag"
	}
	var b strings.Builder
	names := []string{"a", "b"}
	_, port, _ := net.SplitHostPort(n.addr[i]) // it comes from a listener
	limits := `hardsendq="1048576" softsendq="1048576" recvq="65536" threshold="100000" commandrate="1000000" fakelag="no"`
	if o.Limits {
		limits = `hardsendq="262144" softsendq="8192" recvq="8192" threshold="10"` // as Debian has it
	}
	fmt.Fprintf(&b, inspircd, n.dir, names[i], i+1, port, n.port[i], names[1-i], n.port[1-i], limits)
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
loadmodule "modules/saslserv/plain";
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
