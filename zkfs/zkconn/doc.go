// Package zkconn is one ZooKeeper session, with contexts, TLS, chroot and an
// honest lease clock.
//
// github.com/go-zookeeper/zk keeps the session: it shakes hands, pings and
// reconnects. It is given connections that read along, on which this package
// sends requests of its own. So a request is bound to one connection and never
// carried into another session, its send time is known, and so is whether it
// was sent at all; a caller never waits longer than its context says. Nothing
// of the library is visible to whoever uses this package.
//
// A Session is one ZooKeeper session. It outlives connections, and it is over
// when the server has expired it; it never turns into another one. Requests
// that find no connection wait for the next one.
//
// Errors are *zkfs.OpError around the sentinels of package zkfs, for
// errors.Is. A request that changes something, was sent and got no answer
// fails with zkfs.ErrOutcomeUnknown, zkfs.ErrUnavailable says that nothing was
// done. Requests that only read are sent again when their connection breaks.
package zkconn
