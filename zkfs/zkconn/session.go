package zkconn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/hashicorp/go-hclog"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

// A Session is one ZooKeeper session. Its methods may be called concurrently.
// Paths in and out are below the chroot. Every method honours its context and
// returns at its end.
type Session struct {
	cfg      Config
	chroot   zkfs.Path
	log      hclog.Logger
	dialer   *dialer
	lastZxid atomic.Int64 // the latest that a server told us
	watches  watchTable

	adding    chan struct{} // held while a credential is added
	probing   chan struct{} // held while multiRead is used
	multiRead *bool         // whether the server knows it; nil when it was not asked

	zk     *zk.Conn
	events <-chan zk.Event // closed when the library has ended
	done   chan struct{}   // the session is over
	gone   chan struct{}   // and so is everything that was started for it

	mu       sync.Mutex
	id       int64
	timeout  time.Duration
	epoch    uint64
	wire     *wire         // the connection that has the session; nil without
	changed  chan struct{} // closed and replaced when wire or over changes
	over     error
	last     *wire // on which it was over, nil for none
	auth     []Auth
	deadline Instant
	answered Instant   // the send time of the latest answered packet, on any connection
	greeted  *greeting // of the first connection
}

// Open reaches a server and returns when a session is established, the
// credentials are accepted and the chroot is known to exist. It tries all
// servers, again and again, for ConnectTimeout at most; the error then says
// what each of them answered. Close must be called on the Session.
func Open(ctx context.Context, cfg Config) (*Session, error) {
	hosts, chroot, err := ParseServers(cfg.Servers)
	if err != nil {
		return nil, err
	}
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.Servers, err)
	}
	if chroot == "" {
		chroot = zkfs.Root
	}
	s := &Session{
		cfg: cfg, chroot: chroot, log: cfg.Logger, auth: slices.Clone(cfg.Auth),
		done: make(chan struct{}), gone: make(chan struct{}), changed: make(chan struct{}),
		timeout: cfg.SessionTimeout, adding: make(chan struct{}, 1), probing: make(chan struct{}, 1),
	}
	if cfg.OwnAuth.Scheme != "" {
		s.auth = append(s.auth, cfg.OwnAuth)
	}
	s.watches.chroot = chroot
	s.dialer = newDialer(s, hosts)
	s.zk, s.events, err = zk.Connect(hosts, cfg.SessionTimeout,
		zk.WithDialer(s.dialer.dial), zk.WithHostProvider(s.dialer),
		zk.WithLogger(quiet{cfg.Logger}), zk.WithMaxConnBufferSize(maxHello), zk.WithMaxBufferSize(maxHello))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", cfg.Servers, err)
	}
	go s.cleanUp()

	if err = s.begin(ctx); err != nil {
		// Whatever came first is the reason; the session is not kept for it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openGrace)
		defer cancel()
		_ = s.Close(ctx)
		return nil, err
	}
	return s, nil
}

// begin waits for the session and looks whether it is usable.
func (s *Session) begin(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, s.cfg.ConnectTimeout)
	defer cancel()
	if err := s.dialer.await(limited); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
		return err
	}
	ok, err := s.awaitRoot(limited)
	switch {
	case s.Err() != nil:
		return s.Err()
	case err != nil && ctx.Err() == nil && limited.Err() != nil:
		return fmt.Errorf("%w: %s gave a session and then did not answer within %v", zkfs.ErrUnavailable, s.Server(), s.cfg.ConnectTimeout)
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("the chroot %s does not exist on %s; create it first: %w", s.chroot, s.Server(), zkfs.ErrNoNode)
	}
	return nil
}

// ID returns the session id, the EphemeralOwner of what the session creates.
func (s *Session) ID() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Timeout returns the session timeout that the server granted.
func (s *Session) Timeout() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.timeout
}

// Server returns the "host:port" that the session is connected to now, ""
// when it is not.
func (s *Session) Server() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wire == nil {
		return ""
	}
	return s.wire.host
}

// Epoch counts the connections of the session, from 1; it rises with each.
func (s *Session) Epoch() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch
}

// Done is closed when the session is over: expired, closed, or refused in its
// authentication. Being disconnected is not being over.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err says why the session is over, nil while it is not. It is
// zkfs.ErrSessionOver, or zkfs.ErrAuthFailed, with the circumstances.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// established makes w the session's connection. It runs on w's reading
// goroutine, before the library sees the answer.
func (s *Session) established(w *wire, id int64, timeout time.Duration) error {
	mine := s.ID()
	switch {
	case id == 0 && mine == 0:
		return errors.New("it refused to open a session")
	case mine != 0 && id != mine:
		// The library would go on in a new session; this one ends here.
		s.end(expired(mine))
		return zkfs.ErrSessionOver
	case timeout <= 0:
		return fmt.Errorf("it granted a session timeout of %v", timeout)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		return s.over
	}
	w.mu.Lock()
	if w.dead != nil {
		w.mu.Unlock()
		return w.dead
	}
	s.epoch++
	w.live, w.epoch, w.timeout = true, s.epoch, timeout
	if s.answered != 0 {
		w.clock.times = slices.Insert(w.clock.times, 0, s.answered)
	}
	w.clock.acknowledged(w.hello)
	w.mu.Unlock()

	s.id, s.timeout, s.wire = id, timeout, w
	if s.epoch == 1 {
		s.deadline = w.hello.Add(timeout - s.cfg.TickTime/2)
	}
	s.dialer.succeeded(w.host)
	for _, a := range s.auth {
		if w.greeted == nil || w.greeted.auth == nil || !a.Equal(*w.greeted.auth) {
			w.post(s.authRequest(a))
		}
	}
	if w.greeted != nil {
		w.greeted.wire, s.greeted = w, w.greeted
	}
	w.post(s.watches.restore(s.lastZxid.Load())...)
	s.announce()
	s.log.Debug("connected", "server", w.host, "session", fmt.Sprintf("%#x", id), "timeout", timeout, "epoch", s.epoch)
	return nil
}

// announce wakes everyone who waits for a change. The caller holds mu.
func (s *Session) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// ended notes that w has broken for the given reason.
func (s *Session) ended(w *wire, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over == nil {
		s.dialer.failed(w.host, w.born, err)
	}
	if s.wire != w {
		return
	}
	s.wire = nil
	w.mu.Lock()
	s.answered = max(s.answered, w.clock.acked)
	w.mu.Unlock()
	s.announce()
	s.log.Debug("connection lost", "server", w.host, "cause", err)
}

// connection returns the present connection, or waits for the next: for a
// session timeout, so that a caller without a time limit is not stuck and one
// that tries again does not spin.
func (s *Session) connection(ctx context.Context) (*wire, error) {
	began := time.Now()
	for {
		s.mu.Lock()
		w, over, changed, limit := s.wire, s.over, s.changed, began.Add(s.timeout)
		s.mu.Unlock()
		switch {
		case over != nil:
			return nil, over
		case w != nil:
			return w, nil
		}
		timer := time.NewTimer(time.Until(limit))
		select {
		case <-changed:
		case <-timer.C:
			return nil, s.dialer.unavailable()
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("%w: %w", s.dialer.unavailable(), context.Cause(ctx))
		}
		timer.Stop()
	}
}

func expired(id int64) error {
	return fmt.Errorf("%w: the server has expired session %#x", zkfs.ErrSessionOver, id)
}

// authRequest makes the request that presents a credential.
func (s *Session) authRequest(a Auth) *request {
	r := newRequest(opAuth, func(w *jute.Writer) {
		w.Int32(0)
		w.String(a.Scheme)
		w.Buffer(append([]byte{}, a.Secret...))
	})
	r.onReply = func(w *wire, answer *reply) {
		if answer.code != 0 {
			s.end(fmt.Errorf("%w: %s does not accept the credential of scheme %q", zkfs.ErrAuthFailed, w.host, a.Scheme))
		}
	}
	return r
}

// quiet passes what the library says on as debug messages.
type quiet struct{ log hclog.Logger }

func (q quiet) Printf(format string, args ...any) {
	if q.log.IsDebug() {
		q.log.Debug(fmt.Sprintf(format, args...))
	}
}
