// Package train holds the rules of the push train: who rides, who drives, what
// may happen next, and how the channel's topic says it.
//
// It is a pure function of (state, event): [State.Apply] takes what happened and
// returns the new state and what came of it. It reads no clock, no socket and no
// file, it logs nothing, and it knows of the deploy engine only what events say.
//
// # What the caller owes it
//
// One goroutine owns the State. For each thing that happens, in order:
//
//	next, effects, err := state.Apply(input)
//	if err != nil { tell input.By; the state is as it was }
//	commit input, effects and next to the journal      // durable, before all else
//	state = next
//	carry out and say the effects
//	if state.Topic() != state.Channel() { set the topic } // coalesced; read back as Shown
//
// Replaying the journal's inputs from the zero State gives the same state: the
// rules themselves come in by a Configured event.
//
// # The life of a train
//
//	           .join             "You're up"          .princess          green            .prod
//	(nobody) ────────► waiting ───────────► head ───────────► started ────────► <princess> ────► <prod> ──.done──► over
//	                   free for              first in every     fixed for hand edits: its commit is pinned
//	                   hand edits            lane it carries
//
// Outside of the hours ([Hours], which a [Calendar] tells) no waiting train becomes
// head, but for a hotfix; one that has left goes on.
//
// A hand edit of the topic is an event too, [Edited]: a three-way merge between
// what the person had before them, what they wrote, and the queue (edit.go).
package train
