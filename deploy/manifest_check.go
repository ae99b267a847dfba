package deploy

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// refusals is how many of a manifest's faults Check names.
const refusals = 10

// Check reports why the manifest is not that of a release: the first ten
// faults on one line, each with its path. A manifest that passes names no path
// twice, every path below a folder that it names too, and no link that leads
// out of the tree, whichever links it passes on the way; a link to a path
// that does not exist is fine.
func (m Manifest) Check() error {
	var faults []string
	more := 0
	dirs := make(map[string]bool)
	last := ""
	for i, e := range m.Entries {
		fault := e.fault(dirs)
		if fault == "" && i > 0 && e.Path == last {
			fault = "is named twice"
		} else if fault == "" && i > 0 && e.Path < last {
			fault = "is out of order"
		}
		last = e.Path
		switch {
		case fault == "":
			if e.Type == Dir {
				dirs[e.Path] = true
			}
		case len(faults) < refusals:
			faults = append(faults, printable(e.Path)+": "+fault)
		default:
			more++
		}
	}
	if len(faults) == 0 {
		return nil
	}
	text := strings.Join(faults, "; ")
	if more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return errors.New(text)
}

// CaseTwins reports paths that are one where case does not count, as on the disks
// of some who will check them out or copy them: the first ten pairs on one line.
func (m Manifest) CaseTwins() error {
	var twins []string
	more := 0
	seen := make(map[string]string, len(m.Entries))
	for _, e := range m.Entries {
		folded := strings.ToLower(e.Path)
		first, there := seen[folded]
		switch {
		case !there:
			seen[folded] = e.Path
		case seen[strings.ToLower(path.Dir(e.Path))] != path.Dir(e.Path) && path.Dir(e.Path) != ".":
			// what is below a twin is told by the twin
		case len(twins) < refusals:
			twins = append(twins, printable(first)+" and "+printable(e.Path))
		default:
			more++
		}
	}
	if len(twins) == 0 {
		return nil
	}
	text := "paths that differ in nothing but case: " + strings.Join(twins, "; ")
	if more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return errors.New(text)
}

// fault says what is wrong with the entry by itself and with its place below
// dirs, the folders named before it; "" = nothing.
func (e Entry) fault(dirs map[string]bool) string {
	switch {
	case e.Path == "" || e.Path == "." || e.Path == ".." || strings.HasPrefix(e.Path, "../") ||
		path.IsAbs(e.Path) || path.Clean(e.Path) != e.Path || strings.Contains(e.Path, "\x00"):
		return "is not a clean relative path"
	case path.Dir(e.Path) != "." && !dirs[path.Dir(e.Path)]:
		return "its folder is not a folder of the release"
	case e.Perm > 0o777:
		return fmt.Sprintf("mode %#o is more than permission bits", e.Perm)
	}
	switch e.Type {
	case File:
		if e.Size < 0 || e.Link != "" || !isSum(e.Sum) {
			return "is not the entry of a file"
		}
	case Dir:
		if e.Size != 0 || e.Link != "" || e.Sum != "" {
			return "is not the entry of a folder"
		}
	case Link:
		if e.Size != 0 || e.Perm != 0 || e.Sum != "" {
			return "is not the entry of a link"
		}
		return linkFault(e.Path, e.Link)
	default:
		return fmt.Sprintf("type %q is none that a release may hold", string(e.Type))
	}
	return ""
}

// linkFault says why a link at p to target may not be in a release.
//
// Every step up must come before the first name: then it only passes folders of
// the release, never a link, and what holds of the words holds on disk.
func linkFault(p, target string) string {
	switch {
	case target == "" || strings.Contains(target, "\x00"):
		return "link without a target"
	case path.IsAbs(target):
		return "link to " + printable(target) + " is absolute: make it relative"
	}
	up, named := 0, false
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if named {
				return "link to " + printable(target) + " goes up behind a name: write it without"
			}
			up++
		default:
			named = true
		}
	}
	if up > strings.Count(p, "/") {
		return "link to " + printable(target) + " leads out of the release"
	}
	return ""
}

// isSum reports whether s is a SHA-256 in lower-case hex.
func isSum(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// printable returns s as it may stand in a line for people: itself, or quoted
// where it holds anything that does not print.
func printable(s string) string {
	ok := s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
	if ok {
		return s
	}
	return strconv.Quote(s)
}
