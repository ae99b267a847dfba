// Package irctest helps end-to-end tests: [Ngircd] and [Hybrid] start a real IRC
// server, [Inspircd] a network of two with services, and [Dial] is a person at them.
//
// Nothing here sleeps: every wait ends with the line that was waited for, or
// fails the test when [Patience] is over. A test that must show that something
// does not happen ends with [Client.Sync], which returns all that did.
package irctest
