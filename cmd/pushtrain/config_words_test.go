package main

import (
	"slices"
	"testing"

	"pushtrain/bot"
	"pushtrain/train"
)

// TestReservedWords: whatever the bot obeys, nothing in the configuration may be called.
func TestReservedWords(t *testing.T) {
	for _, c := range bot.Commands(train.Rules{}) {
		for _, word := range append(c.Aliases, c.Name) {
			if !slices.Contains(reserved, word) {
				t.Errorf("%s is a command that a stage may be called", word)
			}
		}
	}
}
