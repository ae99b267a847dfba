package host

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pushtrain/deploy"
)

func TestReceiver(t *testing.T) {
	roots := []string{"/srv/www/web", "/srv/www/config"}
	for asked, want := range map[string]string{
		"rsync --server -ltpre.LsfxCIvu --timeout=30 --delete . /srv/www/web/yin/":              "/srv/www/web yin",
		"rsync --server -ltprce.iLsfxCIvu --delete-during --timeout=30 . /srv/www/config/yang/": "/srv/www/config yang",
		"rsync --server -ltpre31.14LsfxCIvu . /srv/www/web/yin/":                                "/srv/www/web yin",
	} {
		argv, root, side, err := receiver(asked, roots)
		if got := root + " " + string(side); got != want || err != nil || strings.Join(argv, " ") != asked {
			t.Errorf("%s: %s, %v", asked, got, err)
		}
	}
	for _, asked := range []string{
		"", "id", "sh", "rsync", "/usr/lib/openssh/sftp-server", "internal-sftp", "scp -t /srv/www/web/yin", "rsync --daemon",
		"rsync --server --sender -ltpre.LsfxCIvu . /srv/www/web/yin/",
		"rsync --server -ltpre.LsfxCIvu --sender . /srv/www/web/yin/",
		"rsync --server -ltpre.LsfxCIvu . /srv/www/web/yin/ /etc",
		"rsync --server -ltpre.LsfxCIvu . /srv/www/web/",
		"rsync --server -ltpre.LsfxCIvu . /srv/www/web/yin/../../x/",
		"rsync --server -ltpre.LsfxCIvu . /srv/www/web/yin",
		"rsync --server -ltpre.LsfxCIvu . /srv/www/other/yin/",
		"rsync --server -ltpre.LsfxCIvu . /etc/",
		"rsync --server -logDtpre.LsfxCIvu . /srv/www/web/yin/",
		"rsync --server -ltpre.LsfxCIvu --log-file=/x . /srv/www/web/yin/",
		"rsync --server -ltpre.LsfxCIvu --temp-dir=/etc . /srv/www/web/yin/",
		"rsync --server -ltpre.LsfxCIvu --timeout=30;id . /srv/www/web/yin/",
		"rsync --server -ltpre.LsfxCIvu --remove-source-files . /srv/www/web/yin/",
		"rsync --server -s", "rsync --server -s . x y",
		"rsync  --server -ltpre.LsfxCIvu . /srv/www/web/yin/",
		"/tmp/rsync --server -ltpre.LsfxCIvu . /srv/www/web/yin/",
		"rsync --server -ltpre.LsfxCIvu . /srv/www/web/yin/\n",
	} {
		if argv, _, _, err := receiver(asked, roots); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %q, %v", asked, argv, err)
		}
	}
}

func TestMayRun(t *testing.T) {
	c := &Call{Hooks: []string{"systemctl reload php8.2-fpm"}}
	if err := c.mayRun([]string{"systemctl", "reload", "php8.2-fpm"}); err != nil {
		t.Error(err)
	}
	for _, argv := range [][]string{{"sh"}, {"systemctl", "reload"}, {"systemctl reload", "php8.2-fpm"}, {"systemctl", "reload", "php8.2-fpm", ""}} {
		if err := c.mayRun(argv); err == nil || !strings.Contains(err.Error(), "add --hook '"+strings.Join(argv, " ")+"' there") {
			t.Errorf("%q: %v", argv, err)
		}
	}
}

// What a forced command admits of sessions, without sshd.
func TestForcedSession(t *testing.T) {
	root := filepath.Join(t.TempDir(), "web")
	run := func(c Call) (string, error) {
		var out bytes.Buffer
		in, bot, err := os.Pipe()
		if err != nil {
			return "", err
		}
		defer in.Close()
		_, err = bot.WriteString(`{"N":1,"Do":"hello"}` + "\n")
		if err = errors.Join(err, bot.Close()); err == nil {
			err = Run(context.Background(), c, in, &out)
		}
		return out.String(), err
	}
	t.Setenv("SSH_CONNECTION", "192.0.2.1 2 192.0.2.3 22")
	if _, err := run(Call{Roots: []string{root}}); err == nil || err.Error() != "refused: this key opens no shell" {
		t.Errorf("a shell: %v", err)
	}
	if out, err := run(Call{Roots: []string{root}, Session: true}); err != nil || !strings.Contains(out, `"N":1`) || strings.Contains(out, "Helper") {
		t.Errorf("a session: %s, %v", out, err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name, err := HelperName(self)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_ORIGINAL_COMMAND", SessionCommand("pushtrain-0123456789ab", 123, root))
	for _, roots := range [][]string{{root}, {"/srv/x", root + "/"}} {
		if out, err := run(Call{Roots: roots}); err != nil || !strings.HasPrefix(out, Ready+"\n{") || !strings.Contains(out, `"Helper":"`+name+`"`) {
			t.Errorf("a session under a forced command: %s, %v", out, err)
		}
	}
	for says, roots := range map[string][]string{"none of this key's": {"/srv/x"}, "--root is missing": nil, "no absolute path": {"srv"}, "below /": {"/"}} {
		if out, err := run(Call{Roots: roots}); err == nil || out != "" || !strings.Contains(err.Error(), says) {
			t.Errorf("roots %q: %s, %v", roots, out, err)
		}
	}
	for _, more := range []string{"; id", " x", "\n", "'"} {
		t.Setenv("SSH_ORIGINAL_COMMAND", SessionCommand("pushtrain-0123456789ab", 123, root)+more)
		if out, err := run(Call{Roots: []string{root}}); err == nil || out != "" {
			t.Errorf("a session and %q: %s, %v", more, out, err)
		}
	}
}

func TestMayFill(t *testing.T) {
	root := filled(t)
	refused := func(side deploy.Side, conn, says string) {
		t.Helper()
		if err := mayFill(root, side, conn); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s by %q: %v, want %q", side, conn, err, says)
		}
	}
	refused(deploy.Yang, "a", "no session holds the lock")
	s := &session{path: root, conn: "a"}
	defer s.close()
	ask := func(req Request) {
		t.Helper()
		var resp Response
		req.Epoch = 1
		if err := s.do(t.Context(), req, nil, &resp); err != nil {
			t.Fatal(err)
		}
	}
	ask(Request{Do: Lock})
	if err := mayFill(root, deploy.Yang, "a"); err != nil {
		t.Error(err)
	}
	refused(deploy.Yang, "b", "came another way")
	refused(deploy.Yin, "a", "is the live side")
	ask(Request{Do: Unlock})
	refused(deploy.Yang, "a", "no session holds the lock")
	root = filepath.Join(root, "none")
	refused(deploy.Yang, "a", "there is no")
}

// Whatever shell reads it, a session's command puts the helper there where it is not
// whole, and nothing else, and has it answer.
func TestSessionCommand(t *testing.T) {
	const helper = "#!/bin/sh\necho helper \"$@\"\nexec cat\n"
	for _, shell := range []string{"sh", "bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			need(t, shell)
			home := t.TempDir()
			place := filepath.Join(home, ".cache", "pushtrain", "pushtrain-00")
			run := func(stdin string) (string, error) {
				cmd := exec.Command(shell, "-c", SessionCommand("pushtrain-00", int64(len(helper)), "/srv/a $root"))
				cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
				cmd.Stdin = strings.NewReader(stdin)
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			const serves = "ready\nhelper host --session --root /srv/a $root\nhello\n"
			absent := func(why string) {
				t.Helper()
				if out, err := run(helper + "hello\n"); err != nil || !strings.HasPrefix(out, Absent+"Linux ") || !strings.HasSuffix(out, serves) {
					t.Errorf("%s: %q, %v", why, out, err)
				}
				if out, err := run("hello\n"); err != nil || out != serves {
					t.Errorf("%s, then it is there: %q, %v", why, out, err)
				}
			}
			absent("never seen")
			must(t, os.Chmod(place, 0))
			absent("not to be run")
			must(t, os.Chmod(place, 0o700))
			must(t, os.Truncate(place, 5))
			absent("cut")
			must(t, os.Remove(place))
			if out, err := run(helper[:9]); err == nil || strings.Contains(out, Ready) {
				t.Errorf("half of it was sent: %q", out)
			} else if status := err.(*exec.ExitError).ExitCode(); status != Unplaced {
				t.Errorf("exit status %d", status)
			}
			if left, err := os.ReadDir(filepath.Dir(place)); err != nil || len(left) > 0 {
				t.Errorf("%v is left, %v", left, err)
			}
		})
	}
}
