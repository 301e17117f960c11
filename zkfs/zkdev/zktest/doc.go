// Package zktest gives tests a ZooKeeper: the embedded one, and a real one from
// Debian's packages.
//
// A package whose tests talk to ZooKeeper has
//
//	func TestMain(m *testing.M) { zktest.Main(m) }
//
// and runs each such test on both kinds of server with Each. A real server that
// cannot be had is a failure, never a skip. One that is needed is started once
// for each test binary and shared: every test has a chroot of its own.
//
// LOCKFORM_TEST_SERVERS=embedded (or real) limits a run to one kind, for a quick
// look while editing; what counts is a run without it.
package zktest
