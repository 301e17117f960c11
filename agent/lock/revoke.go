package lock

// isRevocation reports whether data that somebody set on our contender asks for
// the lock back: "__REVOKE__" is Curator's, "unlock" the one of ZooKeeper's
// documentation.
func isRevocation(data []byte) bool {
	switch string(data) {
	case "__REVOKE__", "unlock":
		return true
	}
	return false
}
