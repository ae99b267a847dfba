package bot

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"pushtrain/bot/store"
	"pushtrain/train"
)

// codeKey reads the key that codes are made with, and makes one where there is none.
func codeKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, "code.key")
	key, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		key = make([]byte, sha256.Size)
		_, _ = rand.Read(key) // never fails
		err = store.WriteFile(path, key)
	case err == nil && len(key) != sha256.Size:
		err = fmt.Errorf("%s is no key: remove it, and all codes that were given are void", path)
	}
	if err != nil {
		return nil, fmt.Errorf("the key of one-time codes: %w", err)
	}
	return key, nil
}

// codeLen is the length of a code's text.
const codeLen = 8

// codeText is what the one who has the code says.
func (b *Bot) codeText(c train.Code) string {
	mac := hmac.New(sha256.New, b.codeKey)
	fmt.Fprintf(mac, "%d %d %q %d", c.N, c.Train, []string{c.For.Nick, c.For.User, c.For.Host}, c.Until.Unix())
	return strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil))[:codeLen])
}

// handCode tells the one who sits there, and nobody else, their code.
func (b *Bot) handCode(e train.Coded) {
	text := fmt.Sprintf("your code is %s: when you drive, say %s%s %[1]s; it works once, until %[4]s. Show it to nobody before", b.codeText(e.Code), b.cfg.Prefix, stages(b.train.Rules)[0].Name, e.Code.Until.UTC().Format("Mon 15:04 MST"))
	b.deeds = append(b.deeds, func() { b.chat.Hand(e.Nick, text, e.Code.N) })
}

// codeIn returns the number of the code that words have, 0 for none, and the others.
func (b *Bot) codeIn(words []word) (int, []word) {
	for i, w := range words {
		if n := b.codeOf(w.text); n != 0 {
			return n, slices.Delete(slices.Clone(words), i, i+1)
		}
	}
	return 0, words
}

// codeOf returns the number of the code that said is; 0 = it is none.
func (b *Bot) codeOf(said string) int {
	if len(said) != codeLen || b.codeKey == nil {
		return 0
	}
	for _, t := range b.train.Queue.Trains {
		for _, r := range t.Riders {
			if r.Code.N != 0 && strings.EqualFold(said, b.codeText(r.Code)) {
				return r.Code.N
			}
		}
	}
	return 0
}

// voidCodes voids what all have read and nobody has used, whatever stands beside it.
func (b *Bot) voidCodes(who train.Who, text string) {
	for said := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if n := b.codeOf(said); n != 0 {
			b.must(who, train.Voided{N: n})
		}
	}
}

// withCode is e with the number of the code that was said beside it.
func withCode(e train.Event, n int) train.Event {
	switch e := e.(type) {
	case train.Step:
		e.Code = n
		return e
	case train.Confirm:
		e.Code = n
		return e
	case train.Drive:
		e.Code = n
		return e
	}
	return e
}
