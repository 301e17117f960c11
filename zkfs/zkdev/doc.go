// Package zkdev is an embedded ZooKeeper: one server's wire protocol, in
// memory, for development and tests. It knows no quorum, syncs nothing to disk,
// and is not for production.
//
// It mirrors ZooKeeper 3.8 as clients see it; where a rule looks odd, its
// comment names the Java class that has it. Requests of all connections are
// carried out one after the other under one lock (Server.mu), as the pipeline
// of a standalone server does. Whatever a request queues for a connection, its
// reply or watch events, is queued while the lock is held; hence a session
// sees an event before it can read the newer data.
//
// What it leaves out, beside all that needs several servers: SASL, quotas and
// the admin server. The scripts in conformance run the test suites of other
// clients against it; the differential tests send the same packets to it and to
// a real server.
//
// Tests steer it by the methods of faults.go and by a ManualClock. With such a
// clock and a Seed, the same requests have the same replies, byte for byte.
package zkdev
