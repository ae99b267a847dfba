package webserver_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pushtrain/deploy/webserver"
)

// setup is a web server as people run it, with the configuration that Config gives.
type setup struct {
	name string
	conf string // Config's name for it
	fpm  bool   // php-fpm behind it
	mod  bool   // PHP in it
	need [][2]string
	pin  [2]string // what in the configuration pins a request, and what there would be without; none = a reload does it
	run  func(t testing.TB, s *started, p parts)
}

// parts are the files that Config gave, written down.
type parts struct {
	site string // the server's own text
	dir  string // the folder of all of them, and of what the server writes
}

// started is a running server.
type started struct {
	t          testing.TB
	dir        string
	addr       string
	fpm        string // socket
	phpini     string
	pool       int // processes that answer
	fast, slow []string
}

const modules = "/usr/lib/apache2/modules/"

var setups = []setup{
	{name: "nginx, static", conf: "nginx", run: runNginx, need: [][2]string{{"nginx", "nginx"}},
		pin: [2]string{"set $release $pushtrain_release;", "set $release {root}/current;"}},
	{name: "nginx + php-fpm", conf: "nginx", fpm: true, run: runNginx, need: [][2]string{{"nginx", "nginx"}, {"php-fpm8.2", "php8.2-fpm"}},
		pin: [2]string{"set $release $pushtrain_release;", "set $release {root}/current;"}},
	{name: "Apache + mod_php", conf: "apache", mod: true, run: runApache, need: [][2]string{{modules + "mod_lua.so", "apache2-bin"}, {modules + "libphp8.2.so", "libapache2-mod-php8.2"}},
		pin: [2]string{"LuaHookTranslateName", "# LuaHookTranslateName"}},
	{name: "Apache + mod_php, reload", conf: "apache-reload", mod: true, run: runApache, need: [][2]string{{modules + "libphp8.2.so", "libapache2-mod-php8.2"}}},
	{name: "Apache + php-fpm", conf: "apache-fpm", fpm: true, run: runApache, need: [][2]string{{modules + "mod_lua.so", "apache2-bin"}, {"php-fpm8.2", "php8.2-fpm"}},
		pin: [2]string{"LuaHookTranslateName", "# LuaHookTranslateName"}},
	{name: "Caddy + php-fpm", conf: "caddy", fpm: true, run: runCaddy, need: [][2]string{{"caddy", "caddy"}, {"php-fpm8.2", "php8.2-fpm"}},
		pin: [2]string{"resolve_root_symlink", ""}},
}

// php reports whether PHP makes the pages.
func (u setup) php() bool { return u.fpm || u.mod }

// reloads reports whether the server follows a flip by a reload.
func (u setup) reloads() bool { return u.pin[0] == "" }

// knobs are what a run may have otherwise.
type knobs struct {
	revalidate int           // opcache.revalidate_freq, seconds
	slow       time.Duration // that slow pages take
	unpinned   bool
	blind      bool // opcache.validate_timestamps=0
}

// start starts the server in front of the site and waits until it answers.
func (u setup) start(t testing.TB, s *site, k knobs) *started {
	t.Helper()
	for _, n := range u.need {
		need(t, n[0], n[1])
	}
	dir := openDir(t)
	r := &started{t: t, dir: dir, addr: freeAddr(t), fpm: filepath.Join(dir, "fpm.sock"), phpini: filepath.Join(dir, "php.ini"), pool: 12}
	listen := r.addr
	if u.conf == "caddy" {
		listen = "http://" + listen
	}
	files, err := webserver.Config(u.conf, webserver.Site{
		Root: s.root, Listen: listen, FPM: r.fpm, Lua: filepath.Join(dir, "pin.lua"), Prepend: filepath.Join(dir, "prepend.php"),
		Reload: filepath.Join(dir, "reload.sh"), Side: filepath.Join(dir, "side.conf"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if k.unpinned {
		files[0].Text = replace(t, files[0].Text, u.pin[0], strings.ReplaceAll(u.pin[1], "{root}", s.root))
	}
	for _, f := range files {
		if f.Name == "php.ini" {
			f.Text = replace(t, f.Text, "revalidate_freq = 2", fmt.Sprintf("revalidate_freq = %d", k.revalidate))
			f.Text = replace(t, f.Text, "; include_path =", "include_path =")
			if k.blind {
				f.Text = replace(t, f.Text, "validate_timestamps = 1", "validate_timestamps = 0")
			}
			f.Text += "zend_extension = opcache.so\nmax_execution_time = 30\n"
		}
		if f.Name == "reload.sh" {
			f.Text = replace(t, f.Text, "apachectl graceful", "kill -USR1 $(cat "+dir+"/pid)")
			live, _ := s.live()
			write(t, filepath.Join(dir, "side.conf"), "Define pushtrain_side "+live+"\n")
			write(t, s.after(), f.Text)
		}
		write(t, filepath.Join(dir, f.Name), f.Text)
	}
	pause := k.slow / includes
	r.urls(u, pause)
	if u.fpm {
		runFPM(t, r)
	}
	u.run(t, r, parts{site: r.withPause(files[0].Text, pause), dir: dir})
	for _, url := range append(r.fast, r.slow...) {
		r.await(url)
	}
	return r
}

// urls are the pages to ask for.
func (r *started) urls(u setup, pause time.Duration) {
	if !u.php() {
		r.fast, r.slow = []string{"http://" + r.addr + "/fast.html"}, []string{"http://" + r.addr + "/slow.html"}
		return
	}
	for _, page := range []string{"page.php", "path.php", ""} {
		url := "http://" + r.addr + "/" + page
		r.fast = append(r.fast, url)
		r.slow = append(r.slow, fmt.Sprintf("%s?pause=%d", url, pause.Milliseconds()))
	}
}

// withPause adds what a static page is slow by: a part that takes its time.
func (r *started) withPause(text string, pause time.Duration) string {
	if !strings.Contains(text, "    location / {\n") {
		return text
	}
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		after := time.NewTimer(pause)
		defer after.Stop()
		select {
		case <-after.C:
		case <-req.Context().Done():
		}
	}))
	r.t.Cleanup(slow.Close)
	return strings.Replace(text, "    location / {\n", "    location /pause { proxy_pass "+slow.URL+"; }\n    location / {\n        ssi on; ssi_types *;\n", 1)
}

// replace replaces the one old in text.
func replace(t testing.TB, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is not once in:\n%s", old, text)
	}
	return strings.Replace(text, old, new, 1)
}

// await waits until a page is answered as it should be.
func (r *started) await(url string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		var a answer
		a.read(http.DefaultClient, url)
		if a.err == "" {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			r.t.Fatalf("%s does not come up: %s", url, a.err)
		}
	}
}

func freeAddr(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// process starts a server that is ended by a signal when the test ends.
func (r *started) process(end os.Signal, env []string, argv ...string) {
	r.t.Helper()
	log := filepath.Join(r.dir, filepath.Base(argv[0])+".out")
	out, err := os.Create(log)
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, out, out
	cmd.Env = append(os.Environ(), env...)
	// Apache ends all of its process group. Should the test be killed, its servers go with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	out.Close()
	r.t.Cleanup(func() {
		_ = cmd.Process.Signal(end)
		_ = cmd.Wait() // it ends by that signal
		if r.t.Failed() {
			for _, file := range []string{log, filepath.Join(r.dir, "error.log")} {
				said, _ := os.ReadFile(file)
				r.t.Logf("%s: %s", filepath.Base(file), said[max(0, len(said)-600):])
			}
		}
	})
}

// owner is who the workers are to be, "" = who runs the test.
func owner() string {
	if u, err := user.Current(); err == nil && u.Uid == "0" {
		return "www-data"
	}
	return ""
}

func runFPM(t testing.TB, r *started) {
	who := ""
	if o := owner(); o != "" {
		who = fmt.Sprintf("user = %s\ngroup = %[1]s\n", o)
	}
	conf := filepath.Join(r.dir, "fpm.conf")
	write(t, conf, fmt.Sprintf("[global]\nerror_log = %s/error.log\ndaemonize = no\n[www]\n%slisten = %s\nlisten.mode = 0666\npm = static\npm.max_children = %d\n", r.dir, who, r.fpm, r.pool))
	r.process(syscall.SIGTERM, []string{"PHP_INI_SCAN_DIR="}, "php-fpm8.2", "-F", "-y", conf, "-c", r.phpini)
}

func runNginx(t testing.TB, r *started, p parts) {
	who := ""
	if o := owner(); o != "" {
		who = "user " + o + ";"
	}
	conf := filepath.Join(p.dir, "main.conf")
	write(t, conf, fmt.Sprintf("daemon off; %[2]s worker_processes 2; pid %[1]s/pid; error_log %[1]s/error.log;\nevents {}\nhttp {\ntypes { text/html html; text/plain txt; }\naccess_log off; client_body_temp_path %[1]s/t; proxy_temp_path %[1]s/t; fastcgi_temp_path %[1]s/t; uwsgi_temp_path %[1]s/t; scgi_temp_path %[1]s/t;\n%[3]s}\n",
		p.dir, who, p.site))
	r.process(syscall.SIGTERM, nil, "nginx", "-p", p.dir, "-c", conf)
}

func runApache(t testing.TB, r *started, p parts) {
	var load strings.Builder
	add := func(name, file string) { fmt.Fprintf(&load, "LoadModule %s_module %s%s\n", name, modules, file) }
	for _, m := range []string{"authz_core", "dir", "lua"} {
		add(m, "mod_"+m+".so")
	}
	if strings.Contains(p.site, "proxy:") {
		for _, m := range []string{"mpm_event", "proxy", "proxy_fcgi"} {
			add(m, "mod_"+m+".so")
		}
	} else {
		add("mpm_prefork", "mod_mpm_prefork.so")
		add("php", "libphp8.2.so")
		fmt.Fprintf(&load, "PHPIniDir %s\nStartServers %d\nMinSpareServers %[2]d\nMaxRequestWorkers %d\n", r.phpini, r.pool, 2*r.pool)
	}
	if o := owner(); o != "" {
		fmt.Fprintf(&load, "User %s\nGroup %[1]s\n", o)
	}
	conf := filepath.Join(p.dir, "main.conf")
	write(t, conf, fmt.Sprintf("ServerRoot %[1]s\nServerName localhost\nListen %[2]s\nPidFile %[1]s/pid\nErrorLog %[1]s/error.log\nDefaultRuntimeDir %[1]s\n%[3]s%[4]s", p.dir, r.addr, load.String(), p.site))
	r.process(syscall.SIGTERM, []string{"PHP_INI_SCAN_DIR="}, "/usr/sbin/apache2", "-f", conf, "-DFOREGROUND")
}

func runCaddy(t testing.TB, r *started, p parts) {
	conf := filepath.Join(p.dir, "main.conf")
	write(t, conf, "{\nadmin off\nauto_https off\n}\n"+p.site)
	r.process(syscall.SIGTERM, []string{"HOME=" + p.dir, "XDG_DATA_HOME=" + p.dir, "XDG_CONFIG_HOME=" + p.dir}, "caddy", "run", "--config", conf, "--adapter", "caddyfile")
}
