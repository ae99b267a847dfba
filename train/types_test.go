package train

import (
	"os"
	"regexp"
	"testing"
)

// typesOf lists the types of a file that have the marker method.
func typesOf(t *testing.T, file, method string) []string {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile(`func \((\w+)\)\s+`+regexp.QuoteMeta(method)).FindAllStringSubmatch(string(src), -1) {
		out = append(out, m[1])
	}
	if len(out) < 15 {
		t.Fatalf("found only %d types in %s: does the pattern still fit?", len(out), file)
	}
	return out
}
