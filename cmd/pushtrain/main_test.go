package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test program pushtrain itself: for scripts, and for hosts,
// on which it is put as the helper.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "host" || os.Getenv("PUSHTRAIN_MAIN") != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"pushtrain": main})
}

func TestScripts(t *testing.T) {
	needForTest(t, "git", "git")
	needForTest(t, "rsync", "rsync")
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: scriptEnv,
		Cmds:  scriptCommands(),
	})
}
