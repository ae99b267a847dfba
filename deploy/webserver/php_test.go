package webserver_test

import (
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pushtrain/deploy/webserver"
)

func TestReadPHP(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	etc := fstest.MapFS{
		"php/8.2/cli/php.ini":               file("max_execution_time = 0"),
		"php/8.2/apache2/php.ini":           file("[PHP]\nmax_execution_time = 30 ; a guess\n;opcache.revalidate_freq=9\n"),
		"php/8.2/fpm/php.ini":               file("max_execution_time=30\nopcache.revalidate_freq = 60\n"),
		"php/8.2/fpm/conf.d/10-opcache.ini": file("opcache.revalidate_freq=\"5\"\n"),
		"php/8.2/fpm/pool.d/www.conf":       file("[www]\nrequest_terminate_timeout = 10s\n"),
		"php/8.2/fpm/pool.d/api.conf":       file("[api]\nrequest_terminate_timeout = 1m\nphp_admin_value[opcache.revalidate_freq] = 7\n"),
		"php/8.3/fpm/php.ini":               file("max_execution_time = 0\nopcache.validate_timestamps=Off\n"),
	}
	got, err := webserver.ReadPHP(etc)
	want := []webserver.PHP{
		{Name: "8.2 apache2", Reads: webserver.Reads{Longest: 30 * time.Second, Revalidate: 2 * time.Second}},
		{Name: "8.2 fpm", Reads: webserver.Reads{Longest: time.Minute, Revalidate: 7 * time.Second}},
		{Name: "8.3 fpm", Blind: true},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("ReadPHP = %+v, %v; want %+v", got, err, want)
	}
	if d := got[1].Drain(); d != 68*time.Second {
		t.Errorf("drain %s", d)
	}
	for i, c := range []struct {
		drain time.Duration
		want  string
	}{
		{33 * time.Second, ""},
		{10 * time.Second, "drain 10s is less than the 1m8s that PHP 8.2 fpm may read"},
		{time.Hour, "validate_timestamps=0: no release arrives"},
	} {
		said := strings.Join(got[i].Warnings(c.drain), "; ")
		if !strings.Contains(said, c.want) || (said == "") != (c.want == "") {
			t.Errorf("%s with %s: %q, want %q", got[i].Name, c.drain, said, c.want)
		}
	}

	etc["php/8.4/fpm/php.ini"] = &fstest.MapFile{Mode: fs.ModeDir}
	if got, err := webserver.ReadPHP(etc); err == nil || len(got) != 3 {
		t.Errorf("with a php.ini that can't be read: %d, %v", len(got), err)
	}
	if got, err := webserver.ReadPHP(fstest.MapFS{}); err != nil || len(got) != 0 {
		t.Errorf("without PHP: %v, %v", got, err)
	}
}

func TestConfigNames(t *testing.T) {
	if _, err := webserver.Config("iis", webserver.Site{}); err == nil || !strings.Contains(err.Error(), "only for nginx, apache") {
		t.Errorf("an unknown server: %v", err)
	}
	for _, root := range []string{"/srv/my web", "/srv/$web", `/srv/"web`, "/srv/web;"} {
		if _, err := webserver.Config("nginx", webserver.Site{Root: root}); err == nil {
			t.Errorf("%s stands in a configuration as it is", root)
		}
	}
	for _, name := range webserver.Servers() {
		files, err := webserver.Config(name, webserver.Site{Root: "/srv/www/web"})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			for _, hole := range []string{"{root}", "{listen}", "{fpm}", "{lua}", "{prepend}", "{reload}", "{side}"} {
				if strings.Contains(f.Text, hole) {
					t.Errorf("%s: %s has %s left", name, f.Name, hole)
				}
			}
		}
	}
}
