package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// cheap are, by the key of ssh_config(5), the algorithms that are put first where
// the user has not chosen any: they cost a fraction of what OpenSSH's own first
// choices do.
var cheap = map[string][]string{"ciphers": {"aes128-gcm@openssh.com", "aes256-gcm@openssh.com"}}

// lean is cheap with the key exchange of before OpenSSH 9.0, which an attacker of
// another age who has kept the traffic may break with a quantum computer.
var lean = map[string][]string{
	"ciphers":       cheap["ciphers"],
	"kexalgorithms": {"curve25519-sha256", "curve25519-sha256@libssh.org"},
}

// prefer returns the options that put cheap algorithms first for a host. What the
// user's configuration, or the system's, says of it stands: options on the command
// line would win over both, so there are none where either says anything.
func (c *ssh) prefer(ctx context.Context, addr string) []string {
	usual, err := c.usual()
	if err != nil {
		return nil // the session itself will say what is wrong with ssh
	}
	chosen, err := effective(ctx, append(c.args("ControlMaster=no"), "-G", "--", addr)...)
	if err != nil {
		return nil
	}
	first := cheap
	if c.lean {
		first = lean
	}
	var options []string
	for key, first := range first {
		if chosen[key] != usual[key] || usual[key] == "" {
			continue
		}
		all := strings.Split(usual[key], ",")
		known := slices.DeleteFunc(slices.Clone(first), func(a string) bool { return !slices.Contains(all, a) })
		rest := slices.DeleteFunc(all, func(a string) bool { return slices.Contains(known, a) })
		options = append(options, fmt.Sprintf("%s=%s", key, strings.Join(append(known, rest...), ",")))
	}
	return options
}

// usual is what ssh does where no configuration says anything.
func usual() (map[string]string, error) {
	return effective(context.Background(), "-F", "none", "-G", "--", "localhost")
}

// effective asks ssh what its configuration comes to, by key. It connects to nothing.
func effective(ctx context.Context, args ...string) (map[string]string, error) {
	out, err := process(ctx, "ssh", args...).Output()
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		all[key] = value
	}
	return all, nil
}
