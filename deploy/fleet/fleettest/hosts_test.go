package fleettest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestHosts(t *testing.T) {
	h := Start(t, 2)
	ssh := func(name, script string) (string, error) {
		out, err := exec.Command("ssh", "-F", h.Config, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=1", name, script).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	for _, name := range h.Names {
		if out, err := ssh(name, "hostname; ls -A ~; touch /srv/here"); err != nil || out != name {
			t.Errorf("%s says %q, %v", name, out, err)
		}
		if _, err := os.Stat(filepath.Join(h.Srv(name), "here")); err != nil {
			t.Error(err)
		}
	}
	h.Hang("host-1")
	began := time.Now()
	if out, err := ssh("host-1", "true"); err == nil || !strings.Contains(out, "timed out") || time.Since(began) < time.Second/2 {
		t.Errorf("a hung host says %q, %v", out, err)
	}
	h.Resume("host-1")
	if out, err := ssh("host-1", "true"); err != nil {
		t.Errorf("a resumed host says %q, %v", out, err)
	}
	h.Stop("host-1")
	if out, err := ssh("host-1", "true"); err == nil || !strings.Contains(out, "refused") {
		t.Errorf("a stopped host says %q, %v", out, err)
	}
	h.Start("host-1")
	h.ReadOnly("host-1")
	if out, err := ssh("host-1", "touch /srv/more"); err == nil || !strings.Contains(out, "Read-only") {
		t.Errorf("a read-only host says %q, %v", out, err)
	}
	h.Hide("host-2", "rsync")
	if out, err := ssh("host-2", "rsync --version"); err == nil || !strings.Contains(out, "denied") {
		t.Errorf("without rsync: %q, %v", out, err)
	}
	h.Limit("host-2", 1<<20)
	if out, err := ssh("host-2", "head -c 2000000 /dev/zero >/srv/big"); err == nil || !strings.Contains(out, "No space") {
		t.Errorf("a small disk says %q, %v", out, err)
	}
}
