package train

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// TypeName is the name under which the journal keeps an event or effect. It is
// part of the journal's format: a type that was renamed keeps its old name here.
func TypeName(v any) string { return reflect.TypeOf(v).Name() }

// DecodeEvent reads an event that was written by json.Marshal under its TypeName.
func DecodeEvent(name string, body []byte) (Event, error) {
	return decode[Event](name, body, []Event{
		Join{}, Leave{}, Drive{}, Vote{}, Step{}, Confirm{}, At{}, Done{}, Abort{}, Rollback{}, Halt{}, Lift{}, Kick{}, Hotfix{}, Note{}, Ship{}, Sync{}, Log{}, Quiet{},
		Online{}, Shown{}, Edited{}, Renamed{}, Identified{}, Handed{}, Voided{}, Parted{}, Heard{}, Configured{}, Pinned{}, Ended{}, Hours{}, Tick{},
	})
}

// DecodeEffect is DecodeEvent for effects.
func DecodeEffect(name string, body []byte) (Effect, error) {
	return decode[Effect](name, body, []Effect{
		Boarded{}, Hotfixed{}, Closing{}, Coded{}, Asked{}, AskVoid{}, Confirmed{}, Up{}, Paused{}, Passed{}, Gone{}, EveryoneReady{}, Trouble{}, Departed{}, Wheel{}, Marker{}, Over{}, Held{}, Lifted{}, Noted{}, Nudge{}, Logged{}, Hushed{}, Overruled{},
		Adopted{}, PutBack{}, Unread{}, Deploy{}, Stop{}, GoOn{}, FlipBack{}, Arrived{}, Landed{},
	})
}

func decode[T any](name string, body []byte, all []T) (T, error) {
	var none T
	for _, v := range all {
		if TypeName(v) != name {
			continue
		}
		p := reflect.New(reflect.TypeOf(v))
		if err := json.Unmarshal(body, p.Interface()); err != nil {
			return none, fmt.Errorf("read %s: %w", name, err)
		}
		return p.Elem().Interface().(T), nil
	}
	return none, fmt.Errorf("read %s: no such type in this version", name)
}
