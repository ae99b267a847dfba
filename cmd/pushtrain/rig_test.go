package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"pushtrain/bot/irc/irctest"
)

// needForTest skips a test without the program, or fails it where CI is set.
func needForTest(t testing.TB, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: apt-get install %s", program, pkg)
		}
		t.Skipf("%s is missing: apt-get install %s", program, pkg)
	}
}

// repo is a git repository whose build stamps every page with the commit's subject.
type repo struct {
	t   testing.TB
	dir string
}

// parts is how many files one page is put together from.
const parts = 20

func newRepo(t testing.TB) *repo {
	needForTest(t, "git", "git")
	r := &repo{t: t, dir: t.TempDir()}
	r.write("build", 0o755, `#!/bin/sh
set -e
mkdir -p dist/parts
release=$(git log -1 --format=%s)
page=
for i in $(seq `+fmt.Sprint(parts)+`); do
	echo "$release" >dist/parts/$i
	page="$page<!--#include virtual=\"/parts/$i\" -->"
done
echo "$page" >dist/page.shtml
`)
	r.write("test", 0o755, "#!/bin/sh\n! grep -q broken dist/parts/1\n")
	r.git("init", "-q", "-b", "main")
	return r
}

func (r *repo) write(name string, mode os.FileMode, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), mode); err != nil {
		r.t.Fatal(err)
	}
}

func (r *repo) commit(subject string) {
	r.t.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", subject)
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	c := exec.Command("git", args...)
	c.Dir = r.dir
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
	out, err := c.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// config is a configuration as text. hosts are entries of `hosts: [...]`.
type stackText struct {
	name, repo, root, princess, prod string
	more                             string // further lines of the stack
}

func configText(server, channel, state, ssh string, stacks ...stackText) string {
	var b strings.Builder
	fmt.Fprintf(&b, "irc: {server: %q, tls: false, nick: pushbot, channel: %q, ops: [boss]}\nstate_dir: %q\nweb: {listen: \"\"}\n", server, channel, state)
	if ssh != "" {
		fmt.Fprintf(&b, "ssh: {config: %q}\n", ssh)
	}
	b.WriteString("stacks:\n")
	for _, s := range stacks {
		fmt.Fprintf(&b, "  - name: %s\n    root: %s\n    drain: 1s\n    source: {repo: %q, build: [./build], tree: dist}\n%s    stages:\n      - {name: princess, hosts: [%s], test: [./test]}\n      - {name: prod, hosts: [%s]}\n",
			s.name, s.root, s.repo, s.more, s.princess, s.prod)
	}
	return b.String()
}

// reread reads a configuration that may have become another, as a reload does.
func reread(now *atomic.Pointer[string]) func() (Config, error) {
	return func() (Config, error) { return readText(*now.Load()) }
}

func readText(text string) (Config, error) {
	cfg, problems := loadConfig("config.yaml", []byte(text))
	if len(problems) > 0 {
		return Config{}, &ConfigError{problems}
	}
	return cfg, nil
}

func mustConfig(t testing.TB, text string) Config {
	t.Helper()
	cfg, err := readText(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return cfg
}

// startBot runs a bot until the returned func is called, or the test ends. It is in the channel when startBot returns.
func startBot(t testing.TB, cfg Config) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- serveBot(ctx, cfg, zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel), service{ready: func() { close(ready) }})
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the bot ended with: %v", err)
		}
	}
	t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-ended:
		stopped = true
		cancel()
		t.Fatalf("the bot did not come up: %v", err)
	case <-time.After(irctest.Patience):
		t.Fatal("the bot did not come into the channel")
	}
	return stop
}

// person is an IRC client in the channel.
func joined(t testing.TB, addr, nick string) *irctest.Client {
	c := irctest.Dial(t, addr, nick)
	c.Join("#push")
	return c
}

// topic waits until the channel's topic is text. It asks, so that one that has
// been set already is seen too.
func topic(c *irctest.Client, text string) {
	c.Send("TOPIC #push")
	c.ExpectFunc(irctest.Patience, "the topic "+text, func(line string) bool {
		return strings.HasSuffix(line, " :"+text) && (strings.Contains(line, " TOPIC #push ") || strings.Contains(line, " 332 "))
	})
}

// nginx serves each root through its current: a page pins the tree once, all its
// parts come from there. The map is what pins: `set` alone asks for $realpath_root
// twice, for its length and its text, and answers 500 when a flip comes between
// them and the text is longer ("no buffer space in script copy", nginx 1.22.1).
func nginx(t testing.TB, roots ...string) (urls []string) {
	t.Helper()
	needForTest(t, "nginx", "nginx")
	dir := t.TempDir()
	var servers strings.Builder
	for _, root := range roots {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		fmt.Fprintf(&servers, `
	server {
		listen %s;
		root %s/current;
		default_type text/html;
		location /page.shtml { set $pinned $tree; ssi on; ssi_types *; }
		location /parts/ { root $pinned; }
	}`, addr, root)
		urls = append(urls, "http://"+addr+"/page.shtml")
	}
	conf := fmt.Sprintf("daemon off; user root; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;\nevents {}\nhttp { map $realpath_root $tree { default $realpath_root; } access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s; %[2]s\n}\n", dir, servers.String())
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("nginx", "-p", dir, "-c", path)
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		_ = c.Wait() // it ends by that signal
		if said, _ := os.ReadFile(filepath.Join(dir, "error.log")); t.Failed() {
			t.Logf("nginx said: %s", said)
		}
	})
	for _, u := range urls {
		awaitHTTP(t, u)
	}
	return urls
}

// awaitHTTP waits until a server answers at all.
func awaitHTTP(t testing.TB, url string) {
	t.Helper()
	deadline := time.Now().Add(irctest.Patience)
	for time.Now().Before(deadline) {
		res, err := http.Get(url)
		if err == nil {
			res.Body.Close()
			return
		}
	}
	t.Fatalf("nothing answers at %s", url)
}
