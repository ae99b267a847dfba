package deploy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// record is an Input as the journal keeps it. The names of its types are for
// good; a field that is added to an event must mean by its zero value what was so before.
type record struct {
	At    time.Time       `json:"at"`
	ID    uint64          `json:"id,omitempty"`
	Type  string          `json:"type"`
	Event json.RawMessage `json:"event"`
}

// events are the types of Event by their names in the journal.
func events() map[string]reflect.Type {
	return map[string]reflect.Type{
		"start":     reflect.TypeFor[Start](),
		"commit":    reflect.TypeFor[Commit](),
		"abort":     reflect.TypeFor[Abort](),
		"undo":      reflect.TypeFor[Undo](),
		"resume":    reflect.TypeFor[Resume](),
		"forward":   reflect.TypeFor[Forward](),
		"built":     reflect.TypeFor[Built](),
		"tested":    reflect.TypeFor[Tested](),
		"fenced":    reflect.TypeFor[Fenced](),
		"prepared":  reflect.TypeFor[Prepared](),
		"verified":  reflect.TypeFor[Verified](),
		"flipped":   reflect.TypeFor[Flipped](),
		"confirmed": reflect.TypeFor[Confirmed](),
		"checked":   reflect.TypeFor[Checked](),
		"pulled":    reflect.TypeFor[Pulled](),
		"unlocked":  reflect.TypeFor[Unlocked](),
		"failed":    reflect.TypeFor[Failed](),
	}
}

// Marshal returns an Input as one JSON object. It fails on an event that is not one of this package's.
func Marshal(in Input) ([]byte, error) {
	for name, t := range events() {
		if t != reflect.TypeOf(in.Event) {
			continue
		}
		event, err := json.Marshal(in.Event)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
		return json.Marshal(record{At: in.At, ID: in.ID, Type: name, Event: event})
	}
	return nil, fmt.Errorf("encode %T: not an event of a rollout", in.Event)
}

// Unmarshal reads what Marshal wrote, also an older version's. It fails on a
// type that it does not know: a newer version wrote that.
func Unmarshal(data []byte) (Input, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return Input{}, fmt.Errorf("decode an input: %w", err)
	}
	t, ok := events()[r.Type]
	if !ok {
		return Input{}, fmt.Errorf("decode an input: unknown type %q", r.Type)
	}
	event := reflect.New(t)
	if err := json.Unmarshal(r.Event, event.Interface()); err != nil {
		return Input{}, fmt.Errorf("decode %s: %w", r.Type, err)
	}
	return Input{At: r.At, ID: r.ID, Event: event.Elem().Interface().(Event)}, nil
}
