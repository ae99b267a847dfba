package webserver

import (
	"cmp"
	"embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

//go:embed conf
var conf embed.FS

// servers are those that there is a configuration for.
var servers = []server{
	{"nginx", "80", []string{"nginx.conf"}},
	{"apache", "*:80", []string{"apache.conf", "pin.lua"}},
	{"apache-reload", "*:80", []string{"apache-reload.conf", "reload.sh"}},
	{"apache-fpm", "*:80", []string{"apache-fpm.conf", "pin.lua"}},
	{"caddy", ":80", []string{"Caddyfile"}},
}

// server is a web server, as it listens by default, and its own files.
type server struct {
	name   string
	listen string
	files  []string
}

// behind are the files of PHP, whatever server is in front of it.
var behind = []string{"php.ini", "prepend.php"}

// Servers returns the names that Config knows.
func Servers() []string {
	var names []string
	for _, s := range servers {
		names = append(names, s.name)
	}
	return names
}

// Site is where the parts of a site are.
type Site struct {
	Root    string // the stack's: the folder of yin, yang and current
	Listen  string // as the server writes it; "" = port 80
	FPM     string // php-fpm's socket; "" = that of Debian 12
	Lua     string // where pin.lua is; "" = below /etc
	Prepend string // where prepend.php is; "" = below /etc
	Reload  string // where reload.sh is; "" = below /etc
	Side    string // the file that reload.sh writes; "" = below /etc
}

// File is one file of a configuration.
type File struct {
	Name string
	Text string
}

// plain is text that no server, nor PHP, nor a shell, reads as anything but itself.
var plain = regexp.MustCompile(`^[A-Za-z0-9/._:*+-]*$`)

// Config returns the files that make a server, and PHP behind it, answer each
// request from one release. Its error names the servers that there are.
func Config(name string, site Site) ([]File, error) {
	at := slices.IndexFunc(servers, func(s server) bool { return s.name == name })
	if at < 0 {
		return nil, fmt.Errorf("there is no configuration for %q, only for %s", name, strings.Join(Servers(), ", "))
	}
	for _, path := range []string{site.Root, site.Listen, site.FPM, site.Lua, site.Prepend, site.Reload, site.Side} {
		if !plain.MatchString(path) {
			return nil, fmt.Errorf("%q can't stand in a configuration as it is: use letters, digits and /._-", path)
		}
	}
	fill := strings.NewReplacer(
		"{root}", site.Root,
		"{listen}", cmp.Or(site.Listen, servers[at].listen),
		"{fpm}", cmp.Or(site.FPM, "/run/php/php8.2-fpm.sock"),
		"{lua}", cmp.Or(site.Lua, "/etc/apache2/pushtrain.lua"),
		"{reload}", cmp.Or(site.Reload, "/etc/apache2/pushtrain-reload.sh"),
		"{side}", cmp.Or(site.Side, "/etc/apache2/pushtrain-side.conf"),
		"{prepend}", cmp.Or(site.Prepend, "/etc/php/8.2/pushtrain.php"),
	)
	var files []File
	for _, file := range slices.Concat(servers[at].files, behind) {
		text, err := conf.ReadFile("conf/" + file)
		if err != nil {
			return nil, err // unreachable: they are built in
		}
		files = append(files, File{file, fill.Replace(string(text))})
	}
	return files, nil
}
