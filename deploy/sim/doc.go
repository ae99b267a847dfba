// Package sim runs package deploy's own core in a simulated world: bots that
// crash, journals that sync late, hosts that hang, die, lose their power or come
// back from an old disk, answers that are lost, writers that outlive their bot,
// people who decide at the wrong moment. It is for tests only.
//
// A [Run] is a function of its seed: one goroutine, one random source, a clock
// that is moved from event to event. The same seed gives the same run, event for
// event; a run that breaks an invariant is run again with a trace, which reads as
// a story.
//
// What is real and what is not: the core is the real one. The owner's duties
// (package deploy: "What the owner does") and the steps that an effect takes
// (package fleet) are written here a second time, shorter, over a network that
// loses things. A host ([root]) is a model of package host, with what it has on
// disk told from what it has only written.
//
// A run has two halves. In the first, faults come as the seed's mix has them, and
// the invariants (check.go) are asserted after every event. In the second the world
// is healed, people decide what is STUCK, and within a minute everything has to end;
// then one more rollout has to reach every host of every stack.
//
// That the checks find what they are for is shown by planted bugs ([Bugs]): each
// is found by some seed.
package sim
