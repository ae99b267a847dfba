package irctest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Hybrid starts an ircd-hybrid with its own flood limits that ends with the test. Its
// package excludes that of ngircd, so `make` unpacks it into .tools. Without it, or
// without root, the test is skipped, or fails where the environment variable CI is set.
func Hybrid(t testing.TB) *Server {
	t.Helper()
	unpacked := hybridDir(t)
	if os.Getuid() != 0 {
		missing(t, "ircd-hybrid looks for its modules under /usr: the test has to be root to lay them there")
	}
	dir, err := os.MkdirTemp("", "hybrid") // t.TempDir lies in a folder that nobody can't enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	s := &Server{daemon: daemon{t: t}}
	s.run = func() error {
		_, port, _ := net.SplitHostPort(s.addr) // it comes from a listener
		if err := os.WriteFile(filepath.Join(dir, "ircd.conf"), fmt.Appendf(nil, hybrid, port), 0o644); err != nil {
			return err
		}
		cmd := exec.Command("sh", "-c", bootHybrid, "hybrid", unpacked, dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		return s.start(cmd, "Server ready")
	}
	s.begin()
	return s
}

// hybridDir is where make has unpacked ircd-hybrid.
func hybridDir(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	dir = filepath.Join(dir, ".tools", "ircd-hybrid")
	if _, err := os.Stat(dir); err != nil {
		missing(t, "ircd-hybrid is missing: make .tools/ircd-hybrid")
	}
	return dir
}

// nobody is a user who owns nothing: some servers refuse to be root.
const nobody = 65534

// bootHybrid runs what is unpacked in $1 as nobody, with its state in $2: in mounts of
// its own, where its modules lie as it looks for them. Its log is what the test reads.
const bootHybrid = `set -e
mount -t overlay overlay -o "lowerdir=$1/usr/lib:/usr/lib" /usr/lib
cp "$1/usr/sbin/ircd-hybrid" "$2"
chown 65534 /dev/stdout
cd "$2"
exec setpriv --reuid=65534 --regid=65534 --clear-groups ./ircd-hybrid -foreground -configfile "$2/ircd.conf" -logfile /dev/stdout \
	-pidfile "$2/pid" -klinefile "$2/kline" -dlinefile "$2/dline" -xlinefile "$2/xline" -resvfile "$2/resv"
`

// hybrid is its configuration as Debian has it, but for how many may come from one address.
const hybrid = `serverinfo {
	name = "irc.test"; description = "test"; network_name = "test"; network_description = "test"; hub = no;
	default_max_clients = 512; max_nick_length = 30; max_topic_length = 300;
};
admin { name = "test"; description = "test"; email = "test@a.test"; };
class {
	name = "users"; ping_time = 90 seconds; sendq = 100 kbytes; recvq = 2560 bytes;
	number_per_ip_local = 1000; number_per_ip_global = 1000; max_number = 1000;
};
listen { host = "127.0.0.1"; port = %s; };
auth { user = "*@*"; class = "users"; };
channel { default_join_flood_count = 18; default_join_flood_time = 6 seconds; };
general {
	disable_auth = yes; throttle_count = 1000; throttle_time = 2 seconds;
	default_floodcount = 10; default_floodtime = 1 second;
	anti_nick_flood = yes; max_nick_changes = 5; max_nick_time = 20 seconds;
	pace_wait = 10 seconds; pace_wait_simple = 1 second; max_targets = 4;
};
modules { path = "/usr/lib/ircd-hybrid/modules/autoload"; };
`
