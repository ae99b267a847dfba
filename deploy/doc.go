// Package deploy decides what a rollout does next. It is a pure function: a
// Book and an Input give the next Book and the Effects that it asks for. It
// reads no clock, touches no disk or network, starts nothing and logs nothing,
// and it knows neither IRC nor the train.
//
// # A rollout's way
//
//	INTENT → BUILD → FENCE → PREPARE → VERIFY → BARRIER ─ Commit → FLIP → CONFIRM → DONE, or DONE_DEGRADED
//	   └────────┴───────┴────────┴────────┴────────┴→ ABORTED       └───────┴→ ROLLBACK → ROLLED_BACK
//	                                                                              └→ STUCK (Undo: ROLLBACK, Forward: FLIP)
//
// What holds at every step, whatever answers come in whatever order:
//
//   - No Flip is asked for before every host has verified the release, nor before Commit.
//   - A failure before Commit aborts; nothing live was touched then.
//   - After Commit there are two ways, DONE and one recorded decision to go
//     back. Only hosts that this rollout flipped, or whose flip is not known to
//     have failed, are flipped back.
//   - A rollout ends when nothing that it asked for is under way any more, so the
//     next one of its stack never meets a writer of this one.
//   - Where a host stands is what it answered in this rollout. A host that
//     serves the release already is left alone: its Flip finds nothing to do.
//
// What becomes of hosts that will not flip, Start.MaxQuarantine says: with none
// allowed, the first one turns the rollout round. Else all are heard first, and as
// many as are allowed are left behind, each only when its Pull has answered: a host
// that serves something else must serve nobody. It ends DONE_DEGRADED then, and
// Book.Quarantine names them until a rollout has brought them up to date.
//
// A host that has lost the release between COMMIT and a restart, or a decision to
// go Forward, is filled anew, before any host is flipped again.
//
// A host on a first install, or one whose live side something else had filled,
// has no sealed side to go back to. When a rollback needs it to, the rollout
// flips back all others and gets STUCK: that host goes on serving what it has,
// and people decide. So does a host that can't be reached for its flip back; one
// that is gone for good is let go by the decision of an owner that knows it no more.
//
// # What the owner does
//
// One goroutine owns the Book. For each Input it keeps this order:
//
//	next, effects, err := book.Apply(in) // err: say it to whoever asked; nothing changed
//	journal in, on disk                  // Marshal; before anything is done or said
//	book = next
//	cancel the contexts of this rollout's open effects that it no longer Wants
//	start each effect, on a goroutine of its own; its answer is the next Input
//
// Each effect but AtBarrier and Ended is answered exactly once, by the event of
// its name or by Failed, also when it was cancelled. Effects are idempotent: one
// that was journalled but never started, or started and never answered, is
// harmless. The rollout's ID is that of the Input; for Start it is next.Last;
// Book.Find has the rollout, also when it has just ended and Unlock is still to be done.
//
// After a restart the owner replays its journal, drops the effects, and gives
// Resume for every rollout in Open that is not over. Before Commit it aborts:
// the hosts' locks ended with their sessions. After it, every host is fenced again
// with a higher epoch, and the way goes on from where each says it stands.
//
// A rollback of a rollout that is DONE is a new one: Start with Back and the
// Release of Book.Previous.
package deploy
