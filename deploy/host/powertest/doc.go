// Package powertest is a file system for tests that loses its power. It keeps what
// is done in memory, in order: every write, name and sync. [Disk.Cut] makes of that
// what a disk may hold when the power goes at some point: everything that was synced
// by then, and of the rest any part, or none.
//
// What is synced is what the system calls promise and no more: fsync and fdatasync
// of a file its content and mode, fsync of a folder its names, syncfs everything. Of
// what was not, any writes may be there and others not, in any order, a write may be
// torn at sectors of 512 bytes, and a name may be there or not whatever the others
// are; but a rename is there or it is not, and a symbolic link is never half.
//
// A FUSE file system is not told of syncfs(2). Who wants that to count runs the
// program under `strace -f --seccomp-bpf -e trace=syncfs -o DIR/.calls`: what is written to that
// file is read here, and strace writes before the program goes on.
//
// It needs root and /dev/fuse. Without them a test is skipped, but fails where the
// environment has CI.
package powertest
