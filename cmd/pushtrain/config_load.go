package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// findConfig returns which configuration file counts: the one of the flag, else
// $PUSHTRAIN_CONFIG, else the first that is there of ./config.yaml,
// $XDG_CONFIG_HOME/pushtrain/config.yaml and /etc/pushtrain/config.yaml.
func findConfig(flag string) (path string, err error) {
	if flag != "" {
		return flag, nil
	}
	if path := os.Getenv("PUSHTRAIN_CONFIG"); path != "" {
		return path, nil
	}
	places := []string{"config.yaml"}
	if dir, err := os.UserConfigDir(); err == nil {
		places = append(places, filepath.Join(dir, "pushtrain", "config.yaml"))
	}
	places = append(places, "/etc/pushtrain/config.yaml")
	for _, path := range places {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, nil // when it can't be read, that is what to say
		}
	}
	return "", fmt.Errorf("find configuration: none of %s is there: name one with --config, or make one with `pushtrain init`", strings.Join(places, ", "))
}

// ConfigError is a configuration that can't be used; it has at least one problem.
type ConfigError struct{ Problems []Problem }

// Error lists all problems, one a line.
func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// maxConfig is how much of a file is taken for a configuration, in bytes.
const maxConfig = 1 << 20

// loadConfigFile reads and checks the configuration at path. What is wrong in it
// comes as a [*ConfigError].
func loadConfigFile(path string) (Config, error) {
	data, err := readSome(path, maxConfig)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c, problems := loadConfig(path, data)
	if len(problems) > 0 {
		return Config{}, &ConfigError{problems}
	}
	return c, nil
}

// secretFile is where the secret at path is. A relative path means a systemd
// credential ($CREDENTIALS_DIRECTORY) where there is one of that name. Another file
// is refused when more people than its owner may read it.
func secretFile(path string) (string, error) {
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" && filepath.IsLocal(path) {
		given := filepath.Join(dir, path)
		if _, err := os.Stat(given); err == nil {
			return given, nil
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fmt.Errorf("others may read %s (mode %04o): chmod 600 %[1]s", path, mode)
	}
	return path, nil
}

// readSecret reads the password in the file at path, see secretFile, without the line end.
func readSecret(path string) (string, error) {
	path, err := secretFile(path)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	data, err := readSome(path, 4<<10)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	secret := strings.TrimRight(string(data), "\r\n")
	switch {
	case secret == "":
		return "", fmt.Errorf("read password: %s is empty", path)
	case strings.ContainsAny(secret, "\r\n\x00"):
		return "", fmt.Errorf("read password: %s has more than one line", path)
	}
	return secret, nil
}

// readSome reads a whole file of at most limit bytes.
func readSome(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data, err
}
