// Package webserver is what web servers need to be told so that a request sees
// one release: the configuration of each, as `pushtrain init --web-server` prints
// it, and how long a side has to be left alone after a flip, which is the stack's
// `drain`.
//
// A request sees one release when two things hold. Its server asks once where
// the link points, and everything that the request reads comes from there: the
// request is pinned. And what it is pinned to is not written while it, or a cache
// behind it, may still read there: that is [Drain]. A pin without a drain is worse
// than none, since a request that was left behind reads on in the side that is
// being filled.
//
// The package starts no server and changes no configuration; its tests do, with
// the very text that [Config] returns, under load, and count. They also run what
// people do instead, and see it fail.
package webserver
