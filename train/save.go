package train

import (
	"encoding/json"
	"fmt"
)

// tallyForm is raised when what is saved of a Tally means something else: the
// journal is then folded anew.
const tallyForm = 2

// TallyParts is how many numbers the days of a Tally that are kept at once need:
// a day's number modulo TallyParts names its place.
const TallyParts = 128

// saved is a Tally without its days.
type saved struct {
	Form  int
	First int                 // number of the oldest day, 0 = there is none
	Open  map[int]*open       `json:",omitempty"`
	Told  map[int]promise     `json:",omitempty"`
	Lanes map[string]*history `json:",omitempty"`
}

// Save returns what a Tally is read from again: a head, and by their place the days
// that have changed since the last Save. What was saved of the others must be kept.
func (t *Tally) Save() (head []byte, days map[int][]byte, err error) {
	s := saved{Form: tallyForm, Open: t.open, Told: t.told, Lanes: t.lanes}
	days = map[int][]byte{}
	for i, d := range t.days {
		if i == 0 {
			s.First = d.Number
		}
		if d.saved {
			continue
		}
		if days[d.Number%TallyParts], err = json.Marshal(d); err != nil {
			return nil, nil, err
		}
		d.saved = true
	}
	head, err = json.Marshal(s)
	return head, days, err
}

// Restore is the inverse of Save. day returns what was saved last at a place, nil =
// nothing. ok is false when another version has written it; t is empty then.
func (t *Tally) Restore(head []byte, day func(place int) ([]byte, error)) (ok bool, err error) {
	*t = Tally{}
	var s saved
	if err := json.Unmarshal(head, &s); err != nil || s.Form != tallyForm {
		return false, err
	}
	for place := 0; s.First > 0 && place < TallyParts; place++ {
		number := s.First + place
		body, err := day(number % TallyParts)
		if err != nil {
			return false, err
		}
		if len(body) == 0 {
			continue
		}
		d := Day{saved: true}
		if err := json.Unmarshal(body, &d); err != nil {
			return false, fmt.Errorf("day %d: %w", number, err)
		}
		if d.Number == number { // else the place holds a day that is forgotten
			t.days = append(t.days, &d)
		}
	}
	t.open, t.told, t.lanes = s.Open, s.Told, s.Lanes
	return true, nil
}
