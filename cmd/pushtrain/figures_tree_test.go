package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// site is a made-up PHP site that is the same in every run: 97 % of its files are
// text of 0.5 to 20 KB, the rest can't be compressed and has up to 600 KB; that is
// 15 KB a file. It has links, folders, odd names, and files that can be executed.
type site struct {
	t       testing.TB
	dir     string
	files   int
	version int // the last one written; 0 = none
}

// next writes the next version over the one before: of 400 files 4 are changed, 1
// is gone and 1 is new.
func (s *site) next() {
	s.t.Helper()
	s.version++
	born := s.files + s.files/400*(s.version-1)
	for i := range born {
		isNew := s.version == 1 || i >= born-s.files/400
		switch luck := s.random(i, s.version, 1).IntN(400); {
		case isNew, luck < 4 && s.there(i):
			s.put(s.path(i), s.mode(i), s.content(i))
		case luck == 4:
			s.must(os.RemoveAll(filepath.Join(s.dir, s.path(i))))
		}
	}
	s.put("VERSION", 0o644, fmt.Appendf(nil, "%d\n", s.version))
	latest := filepath.Join(s.dir, "latest")
	s.must(os.RemoveAll(latest))
	s.must(os.Symlink(fmt.Sprintf("img/v%d", s.version), latest))
	s.put("with space and ümlaut.html", 0o644, []byte("odd\n"))
	s.put("-n", 0o644, []byte("odd\n"))
}

// random is the same for the same file, version and purpose.
func (s *site) random(i, version, purpose int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(i), uint64(version<<8+purpose)))
}

func (s *site) path(i int) string {
	r := s.random(i, 0, 2)
	if i%33 == 32 {
		return fmt.Sprintf("img/%d/%d/%d.png", r.IntN(25), r.IntN(12), i)
	}
	return fmt.Sprintf("lib/%d/%d/%d.php", r.IntN(25), r.IntN(12), i)
}

func (s *site) mode(i int) os.FileMode {
	if i%500 == 0 {
		return 0o755
	}
	return 0o644
}

func (s *site) content(i int) []byte {
	r := s.random(i, 0, 3) // of the file's first version; a change edits it
	if i%33 == 32 {
		r = s.random(i, s.version, 3)
		b := make([]byte, 1024+r.IntN(614400))
		for j := 0; j+8 <= len(b); j += 8 {
			for k, x := 0, r.Uint64(); k < 8; k, x = k+1, x>>8 {
				b[j+k] = byte(x)
			}
		}
		return b
	}
	words := []string{"$this", "->", "return", "function", "array", "self::", "if", "(", ")", "{", "}", ";\n", "train", "push", "queue", "rider", "stage", "host"}
	n := r.IntN(140)
	b := bytes.NewBufferString("<?php\n")
	for size := 512 + n*n; b.Len() < size; {
		fmt.Fprintf(b, "%s%d ", words[r.IntN(len(words))], r.IntN(100))
	}
	if s.version > 1 {
		copy(b.Bytes()[b.Len()/2:], fmt.Sprintf("%08x", s.random(i, s.version, 4).Uint32()))
		if s.random(i, s.version, 5).IntN(10) > 0 { // one change in ten keeps the size
			fmt.Fprintf(b, "// changed in %d\n", s.version)
		}
	}
	return b.Bytes()
}

func (s *site) there(i int) bool {
	_, err := os.Lstat(filepath.Join(s.dir, s.path(i)))
	return err == nil
}

func (s *site) put(path string, mode os.FileMode, data []byte) {
	s.t.Helper()
	path = filepath.Join(s.dir, path)
	s.must(os.MkdirAll(filepath.Dir(path), 0o755))
	s.must(os.WriteFile(path, data, mode))
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}
