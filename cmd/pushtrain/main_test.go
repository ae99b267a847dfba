package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test program pushtrain itself: for scripts, and for hosts,
// on which it is put as the helper. The fault tests have it be a bot that stops where they say.
func TestMain(m *testing.M) {
	if os.Getenv(pointsEnv) != "" && os.Args[1] != "host" {
		if err := stoppingBot(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
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
