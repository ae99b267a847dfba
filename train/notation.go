package train

// Notation is what reading a topic depends on beside its text.
type Notation struct {
	Rules   Rules
	Casemap Casemap
	Known   []string // nicks of people who are in the queue or in the channel: `|` inside one does not split
}
