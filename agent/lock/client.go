package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"sync"
	"time"

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
	// Ahead names locks that will be taken first: each session reads their policies
	// while it is opened.
	Ahead []zkfs.Path
	// Host and PID are shown to others. Empty and 0 mean this host and process.
	Host string
	PID  int
	// Logger is silent when nil.
	Logger hclog.Logger
}

// A Client takes locks. It is safe for concurrent use; all its holds share one
// session for each distinct session timeout of their policies.
type Client struct {
	cfg    Config
	owner  string // of those who do not say who they are
	log    hclog.Logger
	owners owners

	life     context.Context // ends when all that Close waits for must end
	die      context.CancelFunc
	work     sync.WaitGroup          // clean-ups, watchers and callbacks
	open     context.Context         // ends when Close begins
	shutDoor context.CancelCauseFunc // ends it
	attempts sync.WaitGroup          // calls of Acquire

	mu        sync.Mutex
	closed    bool // no new attempts
	ended     bool // no new goroutines
	noDigests bool // the servers refuse them
	openings  map[sessionKey]*opening
	sessions  map[sessionKey]*session
	unshut    map[*session]struct{} // every session that was not shut yet
	recent    *session              // the one used last, which stays open
	claims    map[*claim]struct{}
}

// Open connects and returns when a session is established. The session's
// expiry later is no end of the Client: the next Acquire opens another.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.Host == "" {
		cfg.Host, _ = os.Hostname()
	}
	if cfg.PID == 0 {
		cfg.PID = os.Getpid()
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	c := &Client{
		cfg: cfg, log: cfg.Logger,
		openings: make(map[sessionKey]*opening),
		sessions: make(map[sessionKey]*session),
		unshut:   make(map[*session]struct{}),
		claims:   make(map[*claim]struct{}),
	}
	c.life, c.die = context.WithCancel(context.Background())
	c.open, c.shutDoor = context.WithCancelCause(context.Background())
	var naming sync.WaitGroup // while ZooKeeper is waited for
	naming.Go(func() {
		name := "unknown"
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
		c.owner = fmt.Sprintf("%s@%s:%d", name, cfg.Host, cfg.PID)
	})
	s, err := c.use(ctx, nil)
	naming.Wait()
	if err != nil {
		_ = c.Close(ctx) // there is nothing whose closing could fail
		return nil, err
	}
	c.done(s)
	return c, nil
}

// setRecent makes s the session that stays open, and closes the former one when
// nobody uses it. c.mu is held.
func (c *Client) setRecent(s *session) {
	old := c.recent
	c.recent = s
	if old != nil && old != s && old.refs == 0 {
		c.retire(old)
	}
}

// done ends a use of a session.
func (c *Client) done(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.refs--
	if s.refs == 0 && (s != c.recent || !s.alive()) {
		c.retire(s)
	}
}

// retire closes a session that nobody uses, without waiting. c.mu is held.
func (c *Client) retire(s *session) {
	if c.sessions[s.key] == s {
		delete(c.sessions, s.key)
	}
	if c.recent == s {
		c.recent = nil
	}
	if !c.closed {
		delete(c.unshut, s)
		c.work.Go(func() { c.shut(context.Background(), s) })
	}
}

// shut closes a session, unless it is borrowed, and waits for its keeper.
func (c *Client) shut(ctx context.Context, s *session) error {
	if s.borrowed {
		return nil
	}
	err := s.Session.Close(ctx)
	<-s.ended
	s.flights.Wait()
	return err
}

// spawn runs f in a goroutine that Close waits for. After Close it does not, and
// returns false.
func (c *Client) spawn(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.work.Go(f)
	return true
}

// closeLimit is how long Close waits for the contenders on a session that is not
// its own to be deleted.
const closeLimit = 5 * time.Second

// Close releases every hold, closes the sessions that the Client opened, and
// returns when all its goroutines have ended. The holds on these sessions end
// with them, by one request for all. The error says that a session was not
// closed: it, and what is held on it, ends when its timeout has passed.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	claims := make([]*claim, 0, len(c.claims))
	for cl := range c.claims {
		claims = append(claims, cl)
	}
	c.mu.Unlock()

	c.shutDoor(ErrClosed)
	limited, cancel := context.WithTimeout(ctx, closeLimit)
	defer cancel()
	var leaving sync.WaitGroup
	var ending []*claim
	for _, cl := range claims {
		switch {
		case !cl.holds():
		case cl.s.borrowed:
			leaving.Go(func() { cl.leave(limited) })
		default:
			if first, _ := cl.retreat(); first {
				ending = append(ending, cl)
			}
		}
	}
	leaving.Wait()
	c.attempts.Wait() // they clean up after themselves

	c.mu.Lock()
	c.ended = true
	open := c.unshut
	c.unshut = nil
	c.mu.Unlock()
	var errs []error
	for s := range open {
		errs = append(errs, c.shut(ctx, s))
	}
	for _, cl := range ending {
		close(cl.left)
		c.forget(cl)
	}
	c.die()
	for s := range open {
		<-s.ended
		s.flights.Wait()
	}
	c.work.Wait()
	return errors.Join(errs...)
}

// Session returns the session in use for locks without a policy of their own,
// opening one if the last has ended.
func (c *Client) Session(ctx context.Context) (*zkconn.Session, error) {
	s, err := c.use(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer c.done(s)
	return s.Session, nil
}

// Policy reads the policy of a lock. The error is ErrNotDeclared when the znode
// does not exist or is not managed.
func (c *Client) Policy(ctx context.Context, path zkfs.Path) (layout.Policy, error) {
	s, err := c.use(ctx, nil)
	if err != nil {
		return layout.Policy{}, err
	}
	defer c.done(s)
	p, _, err := s.policy(ctx, path, Options{})
	if err != nil {
		return p, &Error{path, err}
	}
	return p, nil
}

// Queue reads who holds a lock and who waits for it.
func (c *Client) Queue(ctx context.Context, path zkfs.Path) (Queue, error) {
	s, err := c.use(ctx, nil)
	if err != nil {
		return Queue{}, err
	}
	defer c.done(s)
	all, err := ReadQueues(ctx, s, []zkfs.Path{path}, nil)
	if err != nil {
		return Queue{}, err
	}
	return all[0], nil
}
