package webserver_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// patience is how long anything real may take before the test gives up on it.
const patience = 30 * time.Second

var soakDir = flag.String("soak", "", "run the full counts and keep what is done in this `FOLDER`: a run that was cut off goes on from there")

// buildDir holds the program under test.
var buildDir string

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if buildDir, err = os.MkdirTemp("", "pushtrain-webserver-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(buildDir)
	os.Exit(code)
}

// build makes the program once, as `make build` does.
var build = sync.OnceValues(func() (string, error) {
	program := filepath.Join(buildDir, "pushtrain")
	cmd := exec.Command("go", "build", "-o", program, "pushtrain/cmd/pushtrain")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
})

// need skips a test without the file, a program or a module; where CI is set it fails.
func need(t testing.TB, file, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(file); err == nil {
		return
	}
	if _, err := os.Stat(file); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: apt-get install %s", file, pkg)
	}
	t.Skipf("%s is missing: apt-get install %s", file, pkg)
}

// must runs a program and returns what it says.
func must(t testing.TB, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", argv, err, out)
	}
	return string(bytes.TrimSpace(out))
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// openDir returns a folder for the test that a web server's own user may read.
func openDir(t testing.TB) string {
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
