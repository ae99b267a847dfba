// Package release turns a commit of a git repository into a release: an
// immutable tree that its manifest proves.
//
// A [Store] holds the releases of one stack in one folder:
//
//	repo.git/                    mirror of Source.Repo
//	work/ID/                     checkout of a release, built in place; work/ID.built says that it is whole
//	releases/ID/tree/            the release
//	releases/ID/manifest.json    what proves it
//	releases/ID/release.json     its deploy.Release, and its place in the order of the archive
//
// [Store.Build] fetches, resolves, checks out, builds, scans, and archives; the
// same commit gives the same release ever after, for a commit that is in the
// archive is not built again while its manifest still proves it. In the archive
// a path changes its whole-second mtime exactly when it changes: rsync's quick
// check and PHP's opcode cache look at no more than that.
//
// [Scan] is the proof by itself, for any folder on any machine.
//
// The package runs git and the stack's own commands, never a shell. It knows no
// host and sends nothing anywhere. The caller owes it: one Store a folder in one
// process at a time; every release that a rollout or a host may still need named
// to [Store.Prune]; an umask that lets the web server read what git and the
// build create (022), for modes are part of a release.
package release
