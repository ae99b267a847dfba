package webserver

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PHP is what an installation of PHP is told about how long it reads a side.
type PHP struct {
	Name string // such as "8.2 fpm"

	// Reads has as Longest what php-fpm allows a request, or else
	// max_execution_time, which is a guess: it does not count the time that a
	// request waits. 0 = there is no bound. Link is 0: PHP remembers where paths
	// led, but a pinned request names no link.
	Reads

	// Blind is opcache.validate_timestamps=0: what was compiled is never looked at
	// again, and no release arrives without a reset or a reload as after_flip.
	Blind bool
}

// ReadPHP reads the settings of the PHPs behind web servers, in the places where
// Debian has them below etc, which is /etc. It returns none when there are none;
// one that can't be read is an error beside the others.
func ReadPHP(etc fs.FS) ([]PHP, error) {
	found, err := fs.Glob(etc, "php/*/*/php.ini")
	if err != nil {
		return nil, err // unreachable: the pattern is well formed
	}
	var all []PHP
	var errs []error
	for _, file := range found {
		dir := path.Dir(file)
		version, kind := path.Base(path.Dir(dir)), path.Base(dir)
		if kind != "fpm" && kind != "apache2" {
			continue
		}
		p, err := readPHP(etc, dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("read PHP's settings: %w", err))
			continue
		}
		p.Name = version + " " + kind
		all = append(all, p)
	}
	return all, errors.Join(errs...)
}

// readPHP reads what is in one folder: php.ini, what is laid over it, and php-fpm's pools.
func readPHP(etc fs.FS, dir string) (PHP, error) {
	more, err := fs.Glob(etc, dir+"/conf.d/*.ini")
	if err != nil {
		return PHP{}, err // unreachable: the pattern is well formed
	}
	slices.Sort(more)
	ini := map[string]string{}
	for _, file := range append([]string{dir + "/php.ini"}, more...) {
		if err := readINI(etc, file, ini); err != nil {
			return PHP{}, err
		}
	}
	pools, err := fs.Glob(etc, dir+"/pool.d/*.conf")
	if err != nil {
		return PHP{}, err // unreachable: the pattern is well formed
	}
	p := settings(ini, nil)
	for i, file := range pools {
		pool := map[string]string{}
		if err := readINI(etc, file, pool); err != nil {
			return PHP{}, err
		}
		q := settings(ini, pool)
		if i == 0 {
			p = q
			continue
		}
		// The slowest pool counts, and one without a bound is the slowest.
		if p.Longest != 0 && (q.Longest == 0 || q.Longest > p.Longest) {
			p.Longest = q.Longest
		}
		p.Revalidate = max(p.Revalidate, q.Revalidate)
		p.Blind = p.Blind || q.Blind
	}
	return p, nil
}

// settings is what ini says, with what a pool says over it.
func settings(ini, pool map[string]string) PHP {
	value := func(key, usual string) string {
		for _, over := range []string{pool["php_admin_value["+key+"]"], pool["php_admin_flag["+key+"]"], pool["php_value["+key+"]"], pool["php_flag["+key+"]"]} {
			if over != "" {
				return over
			}
		}
		return cmp.Or(ini[key], usual)
	}
	p := PHP{Blind: !on(value("opcache.validate_timestamps", "1"))}
	p.Longest = cmp.Or(seconds(pool["request_terminate_timeout"]), seconds(value("max_execution_time", "30")))
	if !p.Blind && on(value("opcache.enable", "1")) {
		p.Revalidate = seconds(value("opcache.revalidate_freq", "2"))
	}
	return p
}

// readINI adds the settings of a file to those before it.
func readINI(etc fs.FS, file string, to map[string]string) error {
	text, err := fs.ReadFile(etc, file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, ";") || strings.HasPrefix(line, "#") {
			continue
		}
		value = strings.TrimSpace(value)
		if inner, quoted := strings.CutPrefix(value, `"`); quoted {
			value, _, _ = strings.Cut(inner, `"`)
		} else {
			value, _, _ = strings.Cut(value, ";")
		}
		to[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return nil
}

// on reads a flag as PHP does.
func on(value string) bool {
	switch strings.ToLower(value) {
	case "", "0", "off", "no", "false", "none":
		return false
	}
	return true
}

// seconds reads a time as PHP and php-fpm write it; 0 = none, or no number.
func seconds(value string) time.Duration {
	unit := time.Second
	for suffix, u := range map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour} {
		if number, ok := strings.CutSuffix(value, suffix); ok {
			value, unit = number, u
		}
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > 1<<20 {
		return 0
	}
	return time.Duration(n) * unit
}

// Warnings says in words why a drain may be too short for a PHP, none when it is not.
func (p PHP) Warnings(drain time.Duration) []string {
	var all []string
	if p.Blind {
		all = append(all, fmt.Sprintf("PHP %s has opcache.validate_timestamps=0: no release arrives without a reset or a reload as after_flip", p.Name))
	}
	switch need := p.Drain(); {
	case p.Longest == 0:
		all = append(all, fmt.Sprintf("PHP %s bounds no request: set request_terminate_timeout, and drain to that and %s more", p.Name, need))
	case drain < need:
		all = append(all, fmt.Sprintf("drain %s is less than the %s that PHP %s may read a side after a flip: requests of %s, opcache.revalidate_freq %s, 1s for clocks",
			drain, need, p.Name, p.Longest, p.Revalidate))
	}
	return all
}
