package lock

import (
	"errors"
	"fmt"

	"github.com/lockform/lockform/zkfs"
)

// What an Acquire can end with, for errors.Is. An error of ZooKeeper itself is
// wrapped and matches the sentinels of package zkfs; the end of the caller's
// context matches context.Canceled or context.DeadlineExceeded.
var (
	// ErrNotAcquired means that the lock was not free in time. Nothing of the
	// attempt is left in the queue.
	ErrNotAcquired = errors.New("the lock was not acquired in time")
	// ErrQueueFull means that the policy's max_waiters was reached. It is
	// an ErrNotAcquired.
	ErrQueueFull = fmt.Errorf("%w: as many as max_waiters wait already", ErrNotAcquired)
	// ErrNotDeclared means that the znode does not exist or carries no policy.
	ErrNotDeclared = errors.New("not declared; add it to the layout and apply")
	// ErrForeignRecipe means that the queue has a contender whose client
	// cannot see the name that this lock's recipe makes.
	ErrForeignRecipe = errors.New("a contender of a foreign recipe stands in the queue")
	// ErrRank means that the request is not above everything that its owner
	// holds, in the order (rank, path), and could end in a deadlock.
	ErrRank = errors.New("out of the order of ranks")
	// ErrMode means that the lock's policy has no holds of the kind asked for.
	ErrMode = errors.New("the lock does not give this kind of hold")
	// ErrSequenceEnd means that the lock's sequence is near its end, after
	// which the server hands out the same number again and again.
	ErrSequenceEnd = errors.New("the sequence of the lock's contenders is near its end; run \"lockform apply -rotate=ADDRESS\"")
	// ErrGone means that the lock's znode was deleted while the caller waited.
	ErrGone = errors.New("the lock's znode was deleted")
	// ErrRemoved means that somebody deleted our contender, while it waited or
	// (wrapped with ErrLost) while it held.
	ErrRemoved = errors.New("our contender was deleted by someone else")
	// ErrClosed means that the Client was closed.
	ErrClosed = errors.New("the client is closed")
)

// What a hold can end with: the cause of Held.Context.
var (
	// ErrLost means that the hold is over, or must be presumed over.
	ErrLost = errors.New("the lock was lost")
	// ErrReleased means that Release was called.
	ErrReleased = errors.New("the lock was released")
	// ErrMaxHold means that the policy's max_hold has passed. The contender
	// still stands: stop the work and call Release. It is an ErrLost.
	ErrMaxHold = fmt.Errorf("%w: it was held for as long as max_hold allows", ErrLost)
	// ErrRevoked means that another client asked for the lock back and the
	// policy is revocable. The contender still stands: stop the work and call
	// Release. It is an ErrLost.
	ErrRevoked = fmt.Errorf("%w: it was revoked", ErrLost)
)

// An Error tells of which lock an attempt failed.
type Error struct {
	Path zkfs.Path
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("lock %s: %v", e.Path, e.Err) }
func (e *Error) Unwrap() error { return e.Err }
