// Package lock takes, keeps and gives up declared locks on ZooKeeper.
//
// A lock is a znode that "lockform apply" made, with its policy in its data. A
// Client takes it; a Held says what was got:
//
//	c, err := lock.Open(ctx, lock.Config{Conn: zkconn.Config{Servers: "zk1:2181,zk2:2181"}})
//	…
//	h, err := c.Acquire(ctx, "/locks/jobs/billing/ledger", lock.Options{})
//	if err != nil {
//		return err // errors.Is(err, lock.ErrNotAcquired): not free in time
//	}
//	defer h.Release(ctx)
//	err = work(h.Context(), h.Token())
//
// The work must end when the hold's Context does, within KillTimeout, and pass
// the Token to whatever it changes. Release is needed in any case, also after a
// loss.
//
// # What is guaranteed
//
// Exclusion. Between the time when Acquire returns and the time when
// Held.Context is done, nobody else holds the lock who takes part in its recipe
// (docs/protocol.md says which clients do). This holds through lost replies,
// broken connections, elections and restarts of ZooKeeper. It rests on clocks
// that run at about the same speed: the server must not expire a session before
// its timeout has passed by the clock of this machine, CLOCK_BOOTTIME, less a
// margin of half a tick of the servers.
//
// Time to stop. Context ends so early that work which is stopped within
// KillTimeout has ended before Lease does, and the session cannot expire before
// that. A hold whose contender was deleted, or whose session was closed, by
// somebody else is the exception: nobody can tell before it has happened.
//
// Order. Contenders are served in the order in which they queued; readers that
// stand together hold together. A release wakes one waiter.
//
// No traces. Whatever ends an attempt (time, a cancel, an error, a lost reply at
// any step) or a hold, its contender is deleted, or its session ends. An error
// of Release says that this is still going on; Close ends the session.
//
// Time limits. The wait is one deadline, however often the queue moves or the
// connection breaks. An Acquire that is not to wait gives up after five seconds
// without an answer.
//
// # What is not guaranteed
//
// Nothing in this process can stop work that does not heed Context, or that is
// on its way when the machine is paused, stopped or swapped out for longer than
// the lease. Requests that left before the loss may arrive after the next
// holder's. Only the guarded resource can refuse them: give it the Token, and
// have it reject an exclusive token below the highest exclusive one that it has
// seen. The token is the contender's czxid; it rises with every exclusive hold
// of a lock. A shared hold's token is compared with that mark and never raises
// it. A semaphore's token tells holders apart and fences nothing. The sequence
// in the contender's name is no token: it begins anew with the lock's znode.
//
// Ranks and reentrancy are kept within one Client, and across nested processes
// by what OuterVariable tells; nobody knows what an owner holds elsewhere, and an
// owner's name is no proof of anything.
//
// Fairness ends with the session: a waiter whose session expires queues anew,
// behind those that are there.
//
// # The lease
//
// While anything is held or waited for, a heartbeat goes out six times in each
// session timeout. With the policy's heartbeat "write" it is a transaction that
// checks the contenders, which only a leader with a quorum can commit, and which
// shows that they still stand; with "sync" the leader answers. The library sends
// a sync for "ping" too: it costs no more and proves more. The lease ends
//
//	D = s' + T − ε
//
// where T is the session timeout that the server granted, ε half a tick, and s'
// the time when the latest request was sent that is older by half a tick than
// the last acknowledged heartbeat. An acknowledged ping proves nothing: a server
// that is cut off from the others answers pings for a long time after the rest
// have expired the session.
//
// Nothing is granted, by whatever evidence, unless D lies ahead by at least the
// kill time-out. A missed heartbeat makes a hold suspect; one that is
// acknowledged on the present connection and shows every node makes it held
// again. At D less the kill time-out it is lost for good. The kill time-out is
// the policy's, cut to a quarter of the time from the last heartbeat to D, so
// that an election of a few seconds loses nothing.
//
// # When the policy changes
//
// A policy that is applied anew counts at once. Who waits follows its limits, and
// leaves and queues anew, behind the others, where the contender would be another:
// of other names, or with another ACL. Who holds follows max_hold, kill_timeout,
// on_lost, heartbeat, rank and reentrant, and keeps the contender as it was made.
// The session timeout is that of the next hold. A declaration that goes away ends
// the waiting (ErrNotDeclared), and no hold.
//
// # What makes it fast
//
// A free lock costs two writes. One that is taken again and again needs no
// read: a contender whose sequence is exactly one above that of our last hold is
// alone, under the conditions that are said in home.go; nor does the first time
// need a listing when the znode, read for its policy, showed no contender. A
// waiter behind another agent needs no listing when that one releases, under the
// conditions of signal.go. Everybody else, and every doubt, goes by the listing.
//
// What many locks of one Client ask for goes out together: creations and
// deletions as one transaction, policies in one read.
package lock
