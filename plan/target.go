package plan

import (
	"context"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// A Target is a session with one ensemble; *zkconn.Session is one. Paths are
// below its chroot. Errors are those of zkfs, for errors.Is.
type Target interface {
	// Read reads many znodes, in the order of paths; a missing one is Absent.
	Read(ctx context.Context, parts zkfs.Parts, paths []zkfs.Path) ([]zkfs.Node, error)
	// Multi carries all operations out, or none; a refusal is a *zkfs.MultiError.
	Multi(ctx context.Context, ops []zkfs.Op) ([]zkfs.Result, error)
	// SendMulti sends a multi and does not wait; answer does, and returns what
	// Multi would. On one connection they are carried out in the order of sending.
	SendMulti(ctx context.Context, ops []zkfs.Op) (answer func() ([]zkfs.Result, error))
	// SetACL replaces an ACL whose version is aversion.
	SetACL(ctx context.Context, path zkfs.Path, acl zkfs.ACL, aversion int32) (zkfs.Stat, error)
	// Sync makes what follows see every earlier write of anyone.
	Sync(ctx context.Context, path zkfs.Path) error
	// Identities returns who the session is, as far as it is known offline.
	Identities() []zkfs.Identity
}

// A Lock is a held apply lock; *lock.Held is one.
type Lock interface {
	Node() zkfs.Path          // our own contender
	Context() context.Context // done when the lock is lost
	Deadline() time.Time      // when it must be presumed lost, unless it is renewed
}

// A Side is one ensemble of an apply: where to write and the lock that allows
// it.
type Side struct {
	Ensemble string
	Target   Target
	Lock     Lock
}

// The names of what stands in a ledger, besides its data.
const (
	applyName   = "apply"
	historyName = "history"
)

// ApplyLock returns the path of the lock that an apply holds, given the path
// of the layout's ledger.
func ApplyLock(ledger zkfs.Path) zkfs.Path { return ledger.Join(applyName) }
