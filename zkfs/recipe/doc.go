// Package recipe knows the names of contenders, the ephemeral sequential
// znodes below a lock: it makes them for a recipe, reads those that any client
// makes, and says in what order they are served.
//
// Clients of different libraries share a lock only when each can see the
// other's names. Which can is written down in Contender.Sees, by the rules that
// kazoo, Curator, go-zookeeper and ZooKeeper's own recipes follow.
//
// The package speaks to no server; none of its functions block.
package recipe
