package lock

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// A Config says how a Client reaches ZooKeeper and what it tells of itself.
type Config struct {
	// Conn is used for every session that the Client opens. The first asks for
	// Conn.SessionTimeout; a policy with another timeout gets a session of its
	// own, and sessions that nobody uses any more are closed.
	Conn zkconn.Config
	// Session is used for everything instead, when it is not nil. Its timeout
	// stands whatever the policies say, and Close leaves it open.
	Session *zkconn.Session
	// Host and PID are shown to others. Empty and 0 mean this host and process.
	Host string
	PID  int
	// Logger is silent when nil.
	Logger hclog.Logger
}

// A Client takes locks. It is safe for concurrent use; all its holds share one
// session for each distinct session timeout of their policies.
type Client struct {
	cfg Config
}

// Open connects and returns when a session is established. The session's
// expiry later is no end of the Client: the next Acquire opens another.
func Open(ctx context.Context, cfg Config) (*Client, error) { return nil, errors.ErrUnsupported }

// Close releases every hold, closes the sessions that the Client opened, and
// returns when all its goroutines have ended. What ctx does not leave time to
// release ends with its session.
func (c *Client) Close(ctx context.Context) error { return errors.ErrUnsupported }

// Session returns the session in use for locks without a policy of their own,
// opening one if the last has ended.
func (c *Client) Session(ctx context.Context) (*zkconn.Session, error) {
	return nil, errors.ErrUnsupported
}

// Policy reads the policy of a lock. The error is ErrNotDeclared when the znode
// does not exist or is not managed.
func (c *Client) Policy(ctx context.Context, path zkfs.Path) (layout.Policy, error) {
	return layout.Policy{}, errors.ErrUnsupported
}

// Queue reads who holds a lock and who waits for it.
func (c *Client) Queue(ctx context.Context, path zkfs.Path) (Queue, error) {
	return Queue{}, errors.ErrUnsupported
}

// Acquire takes the lock at path, waiting for as long as o and the policy
// allow. When it returns an error nothing is held and no contender of the
// attempt is left, or is left for longer than it takes to delete it: that goes
// on behind the caller's back when the caller's ctx has ended.
func (c *Client) Acquire(ctx context.Context, path zkfs.Path, o Options) (*Held, error) {
	return nil, errors.ErrUnsupported
}

// TryAcquire is Acquire without waiting: the error is ErrNotAcquired when
// somebody stands before us.
func (c *Client) TryAcquire(ctx context.Context, path zkfs.Path, o Options) (*Held, error) {
	return nil, errors.ErrUnsupported
}

// AcquireAll takes several locks, all or none, in the order of (rank, path)
// whatever the order of paths, and returns them in the order of paths. One
// deadline covers all of them: the smallest wait of theirs. All are on one
// session, with the smallest session timeout; max_hold runs from the last one
// taken, and losing one, also while another is waited for, ends all. The same
// path twice is an error.
func (c *Client) AcquireAll(ctx context.Context, paths []zkfs.Path, o Options) ([]*Held, error) {
	return nil, errors.ErrUnsupported
}
