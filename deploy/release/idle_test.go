package release

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A scan beside other work finds what any other does.
func TestScanIdle(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "1", "lib/b": strings.Repeat("x", 1<<20), "lib/c/d": ""} {
		p := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	want, err := Scan(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, apart := range []bool{false, true} {
		if got, err := ScanIdle(t.Context(), root, apart); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ScanIdle(%v) = %+v, %v, want %+v", apart, got, err, want)
		}
		if _, err := ScanIdle(ctx, root, apart); !errors.Is(err, context.Canceled) {
			t.Errorf("ScanIdle(%v) = %v", apart, err)
		}
	}
}

// A gibibyte takes no less than sixteen seconds, and the end of the context ends the wait.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := &pace{since: began}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := io.CopyN(io.Discard, p.reader(ctx, endless{}), 1<<30); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 15*time.Second || took > 17*time.Second {
			t.Errorf("a gibibyte took %s", took)
		}
	})
}

// endless is a reader without end.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }
