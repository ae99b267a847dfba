// Package watch groups the lines of logs by what they say, and tells what is new
// after a push: in the spirit of Etsy's supergrep, which people watched for it.
//
// Two lines are of one kind when nothing but numbers, addresses and ids tells them
// apart: [Fold]. What is new is a kind that was not seen in the window before the
// push, while a good release was live. A push that went wrong does not change what it
// is held against: the next try must not take the errors of the last one for usual
// (Wikimedia's incident of 2018-01-29, T183999: a retry went through because it was).
//
// A [Log] is bounded: it remembers so many kinds, and counts what is beyond them.
package watch
