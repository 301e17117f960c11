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

	opening   sync.Mutex // held while a session is opened
	noDigests bool       // the servers refuse them; guarded by opening

	mu       sync.Mutex
	closed   bool // no new attempts
	ended    bool // no new goroutines
	sessions map[sessionKey]*session
	unshut   map[*session]struct{} // every session that was not shut yet
	recent   *session              // the one used last, which stays open
	claims   map[*claim]struct{}
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
		sessions: make(map[sessionKey]*session),
		unshut:   make(map[*session]struct{}),
		claims:   make(map[*claim]struct{}),
	}
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	c.owner = fmt.Sprintf("%s@%s:%d", name, cfg.Host, cfg.PID)
	c.life, c.die = context.WithCancel(context.Background())
	c.open, c.shutDoor = context.WithCancelCause(context.Background())
	s, err := c.use(ctx, nil)
	if err != nil {
		c.die()
		return nil, err
	}
	c.done(s)
	return c, nil
}

// defaultKey is what a session without a policy asks for.
func (c *Client) defaultKey() sessionKey {
	p := layout.DefaultPolicy()
	k := sessionKey{c.cfg.Conn.SessionTimeout, c.cfg.Conn.TickTime}
	if k.timeout == 0 {
		k.timeout = p.SessionTimeout
	}
	if k.tick == 0 {
		k.tick = p.TickTime
	}
	return k
}

// use returns the session that a policy asks for, opening it where there is
// none; with nil, any. The caller must call done with it.
func (c *Client) use(ctx context.Context, p *layout.Policy) (*session, error) {
	if s, err := c.existing(p); s != nil || err != nil {
		return s, err
	}
	c.opening.Lock()
	defer c.opening.Unlock()
	if s, err := c.existing(p); s != nil || err != nil {
		return s, err
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	key := c.defaultKey()
	if p != nil {
		key = sessionKey{p.SessionTimeout, p.TickTime}
	}
	s, err := c.begin(ctx, key)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	old := c.sessions[key]
	c.sessions[key] = s
	c.unshut[s] = struct{}{}
	s.refs++
	c.setRecent(s)
	if old != nil && old.refs == 0 {
		c.retire(old)
	}
	c.mu.Unlock()
	return s, nil
}

// begin opens a session, or takes Config.Session, and gives it its credential. A
// server that has digests switched off ends a session over it; there the
// contenders belong to whatever identity the session has.
func (c *Client) begin(ctx context.Context, key sessionKey) (*session, error) {
	if c.cfg.Session != nil {
		return newSession(ctx, c.life, c.cfg.Session, key, true, true, c.log)
	}
	conn := c.cfg.Conn
	conn.SessionTimeout, conn.TickTime = key.timeout, key.tick
	for {
		zs, err := zkconn.Open(ctx, conn)
		if err != nil {
			return nil, err
		}
		s, err := newSession(ctx, c.life, zs, key, false, !c.noDigests, c.log)
		if err == nil {
			return s, nil
		}
		closing := zs.Close(context.WithoutCancel(ctx))
		if !errors.Is(err, zkfs.ErrAuthFailed) || c.noDigests {
			return nil, errors.Join(err, closing)
		}
		c.noDigests = true
		c.log.Warn("the server takes no digests: others of the same identity can write to our contenders")
	}
}

// existing returns a session that serves the policy, if there is one.
func (c *Client) existing(p *layout.Policy) (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	s := c.recent
	if p != nil && c.cfg.Session == nil {
		s = c.sessions[sessionKey{p.SessionTimeout, p.TickTime}]
	}
	if s == nil || !s.alive() {
		if c.cfg.Session != nil && s != nil {
			return nil, s.Err()
		}
		return nil, nil
	}
	s.refs++
	c.setRecent(s)
	return s, nil
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

// closeLimit is how long Close waits for contenders to be deleted before it
// leaves that to the end of the session.
const closeLimit = 5 * time.Second

// Close releases every hold, closes the sessions that the Client opened, and
// returns when all its goroutines have ended. What ctx does not leave time to
// release ends with its session.
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
	for _, cl := range claims {
		if cl.holds() {
			leaving.Go(func() { cl.leave(limited) })
		}
	}
	leaving.Wait()
	c.attempts.Wait() // they clean up after themselves

	c.opening.Lock() // a session that is just being opened is among them then
	c.mu.Lock()
	c.ended = true
	open := c.unshut
	c.unshut = nil
	c.mu.Unlock()
	c.opening.Unlock()
	var errs []error
	for s := range open {
		errs = append(errs, c.shut(ctx, s))
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
