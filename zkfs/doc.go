// Package zkfs is the vocabulary of znodes as values: paths, permissions, ACLs,
// Stats, requests and the errors a server answers with.
//
// It speaks to no server and imports nothing but the standard library, so that
// the language, the planner and the agent share one set of words. All values
// are safe to copy; none of its functions block.
package zkfs
