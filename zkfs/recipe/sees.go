package recipe

import "strings"

// Sees reports whether the client that made c finds the sequence of a name that
// begins with prefix, and so waits for one with a lower sequence than its own.
// A client that does not find it either ignores such a name or sorts it behind
// all of its own.
//
// The rules are those of kazoo 2.8 to 2.11 (a pattern), go-zookeeper 1.0.4
// (parseSeq), Curator 5 (StandardLockInternalsDriver) and ZooKeeper's recipes
// (ZNodeName). Of scripts nothing is known but that they see their own names.
func (c Contender) Sees(prefix string) bool {
	switch c.Client {
	case Kazoo:
		return strings.HasSuffix(prefix, "__lock__") || strings.HasSuffix(prefix, "__rlock__")
	case GoZK:
		// What follows the last "lock-" must be a number; in a name without
		// one, what follows the last "__".
		if strings.Contains(prefix, "lock-") {
			return strings.HasSuffix(prefix, "lock-")
		}
		return strings.HasSuffix(prefix, "__")
	case Curator, Lock:
		return strings.HasSuffix(prefix, "lock-")
	case CuratorRW:
		return strings.HasSuffix(prefix, "__READ__") || strings.HasSuffix(prefix, "__WRIT__")
	case WriteLock:
		return strings.HasSuffix(prefix, "-")
	case Document:
		if c.Shared {
			return strings.HasSuffix(prefix, "write-")
		}
		return strings.HasSuffix(prefix, "write-") || strings.HasSuffix(prefix, "read-")
	}
	return c.Prefix() == prefix
}
