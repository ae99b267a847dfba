// Package fleet carries out the effects of package deploy on real hosts: ssh and
// rsync for machines, plain files for a folder of this machine.
//
// # Sessions
//
// One session a (stack, host) runs `pushtrain host --root ROOT` there and talks
// deploy/host's protocol with it. It is opened by the first effect that needs it,
// stays open so that a flip is one line each way, and ends with Close, an error,
// or half an hour without a lock and without use. While it holds the lock it is
// heard every few seconds: a host takes the lock from a session that says nothing.
// The host's lock lives in the
// session: when the session is lost, so is the lock, and whoever goes on takes
// both anew, with the same epoch.
//
// The session's ssh is the master of a control socket of its own, and rsync has
// no other way to the host: without session and lock nothing is sent.
//
// # Trust
//
// Host keys are always checked, and an unknown one is never accepted. Nothing is
// forwarded, there is no terminal and nothing asks for a password. rsync's exit
// status proves nothing: the host hashes what it holds against the release's
// manifest.
//
// What a host says is bounded in size and in the time that it may take, and made
// printable before it goes on: one that floods, lies or never ends costs its own
// rollout, and no other host. A host that says of itself now that it serves the
// release, and then that it does not, is caught by Confirm. One that lies from
// end to end is not, by anything that it is asked: it holds the release by its own
// word alone. Who sees that is the stage's check, which asks it as its users do.
//
// No shell here gets anything of a release or of the configuration. A login shell
// on a host gets one fixed line, with the root in single quotes: see CheckRoot.
//
// # What is sent
//
// A host that has sealed the idle side, and has not let its lock go since it took
// that seal off, is told what the release is made of, and asked what it lacks: it
// keeps what stays, copies what its live side holds, and is sent the rest. So is
// one whose side is empty. Where there is any doubt, rsync compares the two trees;
// in each case the host then proves the side, by hashes and by the stamps of files
// that it hashed before.
//
// rsync runs with -rlpt: contents, links, modes and times. Not owners and groups:
// on a host the files belong to who deploys there. Not devices: a release has none.
//
// # Not here
//
// What comes next is decided by package deploy, and nothing here retries beyond
// one effect's deadline. The caller owes each Do its own goroutine, and Close.
package fleet
