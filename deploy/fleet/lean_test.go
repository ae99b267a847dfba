package fleet

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What an ssh_config says of algorithms stands; where it says nothing, the lean
// ones come first, and none is lost.
func TestLean(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("ssh is missing: apt-get install openssh-client")
		}
		t.Skip("ssh is missing: apt-get install openssh-client")
	}
	config := filepath.Join(t.TempDir(), "my config")
	text := "Host chosen\n\tCiphers aes256-ctr\nHost both\n\tCiphers -chacha20*\n\tKexAlgorithms ecdh-sha2-nistp256\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := usual()
	if err != nil || all["ciphers"] == "" {
		t.Fatalf("%v, %v", all, err)
	}
	c := &ssh{config: config, lean: true, usual: usual}
	for addr, want := range map[string]map[string]string{
		"free":          {"kexalgorithms": "curve25519-sha256,", "ciphers": "aes128-gcm@openssh.com,"},
		"alice@1.2.3.4": {"kexalgorithms": "curve25519-sha256,", "ciphers": "aes128-gcm@openssh.com,"},
		"chosen":        {"kexalgorithms": "curve25519-sha256,"},
		"both":          {},
	} {
		got := map[string]string{}
		for _, o := range c.prefer(t.Context(), addr) {
			key, value, _ := strings.Cut(o, "=")
			got[key] = value
			if strings.Count(value, ",") != strings.Count(all[key], ",") {
				t.Errorf("%s: %s, of %s", addr, o, all[key])
			}
		}
		for key, first := range want {
			if !strings.HasPrefix(got[key], first) {
				t.Errorf("%s: %s is %q, want %s first", addr, key, got[key], first)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
		args := c.args(append(c.prefer(t.Context(), addr), "ControlMaster=no")...)
		if after, err := effective(t.Context(), append(args, "-G", "--", addr)...); err != nil || addr == "chosen" && after["ciphers"] != "aes256-ctr" {
			t.Errorf("%s: ssh makes of it %v, %v", addr, after["ciphers"], err)
		}
	}
	c.lean = false
	if o := c.prefer(t.Context(), "free"); len(o) != 1 || !strings.HasPrefix(o[0], "ciphers=aes128-gcm@openssh.com,") {
		t.Errorf("not asked for another key exchange: %q", o)
	}
	if o := c.prefer(t.Context(), "chosen"); o != nil {
		t.Errorf("not asked for: %q", o)
	}
}
