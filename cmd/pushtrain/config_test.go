package main

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"pushtrain/deploy/fleet"
)

const examplePath = "../../config.example.yaml"

func readExample(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestExampleIsTheReference(t *testing.T) {
	data := readExample(t)
	c, problems := loadConfig("config.example.yaml", data)
	for _, p := range problems {
		t.Error(p)
	}

	// Every field of the structs is a key of the file.
	d := &decoder{lines: strings.Split(string(data), "\n"), at: map[string]*yaml.Node{}}
	var scratch Config
	d.value(d.parse(data), reflect.ValueOf(&scratch).Elem(), "")
	have := map[string]bool{}
	index := regexp.MustCompile(`\[\d+\]`)
	for key := range d.at {
		have[index.ReplaceAllString(key, "")] = true
	}
	for _, key := range keys(reflect.TypeFor[Config](), "") {
		if !have[key] {
			t.Errorf("%s is missing", key)
		}
	}

	// What it gives for keys with a default is the default.
	want := defaultConfig()
	want.IRC.Server, want.IRC.Channel = c.IRC.Server, c.IRC.Channel
	want.IRC.SASL, want.IRC.Ops, want.Stacks, want.People, want.Web.Users, want.Tell.Webhooks = c.IRC.SASL, c.IRC.Ops, c.Stacks, c.People, c.Web.Users, c.Tell.Webhooks
	want.Train.Holidays = c.Train.Holidays
	if !reflect.DeepEqual(c, want) {
		t.Errorf("the example differs from the defaults:\n got %+v\nwant %+v", c, want)
	}
	stack, web := defaultStack(), c.Stacks[0]
	if web.Drain != stack.Drain || web.Keep != stack.Keep || web.Source.Branch != stack.Source.Branch || web.Source.Tree != stack.Source.Tree || web.Source.CaseTwins != stack.Source.CaseTwins {
		t.Errorf("the example's first stack differs from the defaults: %+v", web)
	}
	if host := c.Stacks[1].Stages[0].Hosts[0]; host != (HostConfig{Name: "web1", Addr: "web1", Root: "/srv/www/config"}) {
		t.Errorf("a host that is a name alone is %+v", host)
	}
}

// TestRootWithASlash: a root that ends in one is good for the fleet too.
func TestRootWithASlash(t *testing.T) {
	cfg := mustConfig(t, `
irc: {server: "localhost:6667", tls: false, channel: "#push"}
stacks: [{name: web, root: /srv/web/, source: {repo: /srv/git}, stages: [{name: prod, hosts: [a, {name: b, root: /srv/b/}]}]}]
`)
	c := fleetConfig(cfg)
	c.Dir = t.TempDir()
	f, err := fleet.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// keys lists the keys of a struct and of what it holds.
func keys(t reflect.Type, prefix string) []string {
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		key := strings.TrimPrefix(prefix+"."+f.Tag.Get("yaml"), ".")
		out = append(out, key)
		elem := f.Type
		if elem.Kind() == reflect.Slice {
			elem = elem.Elem()
		}
		if elem.Kind() == reflect.Struct {
			out = append(out, keys(elem, key)...)
		}
	}
	return out
}

func TestDefaultsOfAShortFile(t *testing.T) {
	c, problems := loadConfig("config.yaml", []byte(`
irc: {server: "localhost:6667", tls: false, channel: "#push"}
web:
stacks:
  - name: web
    root: /srv/www/web/
    source: {repo: ../web.git}
    stages:
      - {name: princess, external: true}
      - {name: prod, hosts: [{name: a, local: true, root: /tmp/demo/a}, b], watch: {files: [/var/log/x]}}
`))
	for _, p := range problems {
		t.Error(p)
	}
	s := c.Stacks[0]
	if c.IRC.Nick != "pushbot" || c.Train.Idle != 15*time.Minute || c.Web.Listen != "127.0.0.1:8080" || s.Drain != 10*time.Second || s.Keep != 10 || s.Source.Tree != "." {
		t.Errorf("defaults are not filled in: %+v", c)
	}
	hosts := s.Stages[1].Hosts
	if want := []HostConfig{{Name: "a", Local: true, Root: "/tmp/demo/a"}, {Name: "b", Addr: "b", Root: "/srv/www/web/"}}; !reflect.DeepEqual(hosts, want) {
		t.Errorf("hosts %+v, want %+v", hosts, want)
	}
	if want := (WatchConfig{Files: []string{"/var/log/x"}, Window: 5 * time.Minute, Lines: 20, OnBad: "tell"}); !reflect.DeepEqual(s.Stages[1].Watch, want) {
		t.Errorf("watch %+v, want %+v", s.Stages[1].Watch, want)
	}
}

// TestProblems reads files that say themselves, in `#!` lines, which problems they have.
func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(data)) {
				if w, ok := strings.CutPrefix(line, "#! "); ok {
					want = append(want, strings.TrimSpace(w))
				}
			}
			_, problems := loadConfig(name, data)
			var got []string
			for _, p := range problems {
				got = append(got, p.String())
			}
			if g, w := strings.Join(got, "\n#! "), strings.Join(want, "\n#! "); g != w || len(got) == 0 {
				t.Errorf("problems:\n#! %s\nwant:\n#! %s", g, w)
			}
		})
	}
}

func TestEmptyAndBrokenFiles(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "c:1:1: the file is empty: begin with config.example.yaml, or run `pushtrain init`",
		"# nothing yet\n":         "c:1:1: the file is empty: begin with config.example.yaml, or run `pushtrain init`",
		"- a\n":                   "c:1:1: the file is no list of `key: value`: see config.example.yaml",
		"irc: [1\n":               "c:2:1: not valid YAML: did not find expected ',' or ']' (while parsing a flow sequence)",
		"irc: {}\n---\nirc: {}\n": "c:1:1: not valid YAML: expected single document, found multiple",
	} {
		_, problems := loadConfig("c", []byte(in))
		if len(problems) != 1 || problems[0].String() != want {
			t.Errorf("%q: %v\nwant %s", in, problems, want)
		}
	}
}

func TestLoadConfigFile(t *testing.T) {
	if _, err := loadConfigFile(examplePath); err != nil {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if _, err := loadConfigFile(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	write(t, path, "irc: {nikc: a}\n", 0o644)
	_, err := loadConfigFile(path)
	if e, ok := errors.AsType[*ConfigError](err); !ok || !strings.Contains(e.Error(), path+":1:7: irc.nikc: unknown key (did you mean \"nick\"?)") {
		t.Errorf("a bad file: %v", err)
	}
	write(t, path, strings.Repeat("#", maxConfig+1), 0o644)
	if _, err := loadConfigFile(path); err == nil {
		t.Error("a huge file was read")
	}
}

func TestFindConfig(t *testing.T) {
	home := t.TempDir()
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("PUSHTRAIN_CONFIG", "")
	find := func(flag, want string) {
		t.Helper()
		if got, err := findConfig(flag); err != nil || got != want {
			t.Errorf("findConfig(%q) = %q, %v; want %q", flag, got, err, want)
		}
	}
	if _, err := os.Stat("/etc/pushtrain/config.yaml"); err != nil {
		if _, err := findConfig(""); err == nil || !strings.Contains(err.Error(), "--config") {
			t.Errorf("none at all: %v", err)
		}
	}
	mine := filepath.Join(home, "pushtrain", "config.yaml")
	write(t, mine, "", 0o644)
	find("", mine)
	write(t, "config.yaml", "", 0o644)
	find("", "config.yaml")
	t.Setenv("PUSHTRAIN_CONFIG", "/from/env")
	find("", "/from/env")
	find("/from/flag", "/from/flag")
}

func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sasl")
	write(t, path, "hunter 2 \n", 0o600)
	if got, err := readSecret(path); err != nil || got != "hunter 2 " {
		t.Errorf("readSecret = %q, %v", got, err)
	}
	for mode := range os.FileMode(0o100) {
		if err := os.Chmod(path, 0o600|mode); err != nil {
			t.Fatal(err)
		}
		_, err := readSecret(path)
		if refused := err != nil && strings.HasSuffix(err.Error(), ": chmod 600 "+path); refused != (mode != 0) {
			t.Errorf("mode %04o: %v", 0o600|mode, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
	for _, bad := range []string{"", "\n", "a\nb\n", "a\x00b"} {
		write(t, filepath.Join(dir, "bad"), bad, 0o600)
		if got, err := readSecret(filepath.Join(dir, "bad")); err == nil {
			t.Errorf("readSecret of %q = %q", bad, got)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Chdir(t.TempDir())
	write(t, path, "given\n", 0o440)
	write(t, "own", "mine\n", 0o600)
	for name, want := range map[string]string{"sasl": "given", "own": "mine"} {
		if got, err := readSecret(name); err != nil || got != want {
			t.Errorf("readSecret(%q) = %q, %v", name, got, err)
		}
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}

// FuzzConfig reads anything: it never panics, and each problem has a place in the file.
func FuzzConfig(f *testing.F) {
	lineEnd := regexp.MustCompile("[\n\r\u0085\u2028\u2029]") // all that YAML counts
	f.Add(readExample(f))
	f.Add([]byte("irc: {nick: a,\rb"))
	files, err := filepath.Glob("testdata/config/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, problems := loadConfig("c", data)
		lines := len(lineEnd.FindAll(data, -1)) + 1
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Line > lines+1 || p.Text == "" {
				t.Errorf("a problem without a place: %+v", p)
			}
		}
	})
}
