package lock

import (
	"context"
	"errors"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A Reader reads znodes; *zkconn.Session is one.
type Reader interface {
	Read(ctx context.Context, parts zkfs.Parts, paths []zkfs.Path) ([]zkfs.Node, error)
}

// A Queue is who holds a lock and who waits for it, as it was read at one time.
type Queue struct {
	Path       zkfs.Path
	Absent     bool           // the znode does not exist
	Policy     *layout.Policy // nil when the znode carries none
	PolicyErr  error          // why there is none: errors of layout.ParsePolicy
	Denied     bool           // its children may not be read
	Contenders []Contender    // in the order in which they are served
	Unknown    []string       // children that are no contenders; "locks" and "leases" are a Curator semaphore
}

// A Contender is one place in a queue.
type Contender struct {
	Name     string // of the znode
	Node     zkfs.Path
	Nodes    []zkfs.Path // all of a contender of the recipe bridge; otherwise Node alone
	Holds    bool        // it holds the lock, by its place; else it waits
	Mode     string      // "exclusive", "shared" or "semaphore"
	Client   string      // whose form the name has: "curator", "kazoo", "go-zookeeper", …
	Sequence int64
	Token    int64 // the czxid; of a waiter, the token it will have
	Session  int64

	Lockform bool // it is an agent's, and what follows is from its data
	Owner    string
	Host     string
	PID      int
	ID       string    // the GUID
	Since    time.Time // when it queued
	Signals  bool

	Foreign bool   // its client cannot see the name that the lock's recipe makes
	Data    []byte // as it was read; of others than agents often an address or a name
}

// Holders returns those that hold the lock.
func (q Queue) Holders() []Contender { return nil }

// Waiters returns those that wait, the next one first.
func (q Queue) Waiters() []Contender { return nil }

// ReadQueues reads the queues of many locks, in the order of paths. A path that
// does not exist, is not declared or may not be read is no error: its Queue
// says so. The policy p is used for what carries none; nil means the built-in
// defaults.
func ReadQueues(ctx context.Context, r Reader, paths []zkfs.Path, p *layout.Policy) ([]Queue, error) {
	return nil, errors.ErrUnsupported
}
