package deploy

import (
	"fmt"
	"strings"
)

// Diff returns how got is not want, one line a path in the manifests' order, at
// most max of them; max 0 = all. No line = they are equal. Both must be in byte
// order of Path.
func Diff(want, got Manifest, max int) []string {
	var lines []string
	w, g := want.Entries, got.Entries
	for (len(w) > 0 || len(g) > 0) && (max == 0 || len(lines) < max) {
		switch {
		case len(g) == 0 || len(w) > 0 && w[0].Path < g[0].Path:
			lines = append(lines, printable(w[0].Path)+": missing")
			w = w[1:]
		case len(w) == 0 || g[0].Path < w[0].Path:
			lines = append(lines, printable(g[0].Path)+": not in the release")
			g = g[1:]
		default:
			if w[0] != g[0] {
				lines = append(lines, printable(w[0].Path)+": "+unlike(w[0], g[0]))
			}
			w, g = w[1:], g[1:]
		}
	}
	return lines
}

// unlike says how got, an entry of the same path, is not want.
func unlike(want, got Entry) string {
	if want.Type != got.Type {
		return fmt.Sprintf("is a %s, want a %s", got.Type, want.Type)
	}
	var how []string
	if want.Sum != got.Sum || want.Size != got.Size {
		how = append(how, "content differs")
	}
	if want.Link != got.Link {
		how = append(how, fmt.Sprintf("link to %s, want %s", printable(got.Link), printable(want.Link)))
	}
	if want.Perm != got.Perm {
		how = append(how, fmt.Sprintf("mode %04o, want %04o", got.Perm, want.Perm))
	}
	return strings.Join(how, ", ")
}
