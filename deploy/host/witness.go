package host

import "regexp"

// witnessForm is what a witness of a journal looks like: bot/store makes it.
var witnessForm = regexp.MustCompile(`^[0-9a-f]{16} [0-9]{1,20}:[0-9a-f]{64}$`)

// IsWitness reports whether text can be the witness of a journal.
func IsWitness(text string) bool { return witnessForm.MatchString(text) }

// keepWitness keeps what the bot's journal says, at the flip and at the end of a
// rollout. No link waits for it: one that is lost with the power leaves the one before.
func (s *session) keepWitness(text string) {
	if text != "" {
		_ = s.swap("witness", []byte(text), notSynced) // a disk too full for it stops no flip
	}
}

// witness is the one that was kept last; "" = none.
func (s *session) witness() string {
	if s.root == nil {
		return ""
	}
	b, err := s.root.ReadFile(state + "/witness")
	if err != nil || !IsWitness(string(b)) {
		return ""
	}
	return string(b)
}
