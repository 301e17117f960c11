package zkdev

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lockform/lockform/zkfs/internal/jute"
)

// Config says how a Server is to be. The zero Config serves on a free port of
// the loopback address, with ZooKeeper's defaults.
type Config struct {
	// Listen is the address to serve on, "host:port". Empty means a free port
	// of 127.0.0.1.
	Listen string
	// Listener is served in place of Listen, and closed by Close. Nil means
	// TCP.
	Listener net.Listener
	// TLS makes the connections TLS. A certificate that the client shows and
	// TLS has verified is its x509 identity. Nil means plain connections.
	TLS *tls.Config
	// SecureListen is a second address, served with TLS; Listen is plain then.
	// Empty means that there is one address, with or without TLS.
	SecureListen string
	// TickTime is the unit of session expiry. Zero means 3s.
	TickTime time.Duration
	// MinSessionTimeout and MaxSessionTimeout bound what clients may ask for.
	// Zero means 2 and 20 ticks.
	MinSessionTimeout, MaxSessionTimeout time.Duration
	// ReapInterval is the time between two searches for containers and TTL
	// nodes to delete. Zero means 60s.
	ReapInterval time.Duration
	// SuperDigest, "super:base64(sha1(super:password))", is the digest
	// identity that passes every ACL. Empty means that there is none.
	SuperDigest string
	// Data is the file that Start loads the tree and the sessions from, if it
	// exists, and Close saves them to. A journal beside it, with the ending
	// ".journal", keeps what a process that is killed could not save; it is
	// not synced, so that a machine that fails can lose the end. Empty means
	// that nothing outlives the Server.
	Data string
	// Logger gets what an operator wants to know. Nil means silence.
	Logger hclog.Logger
	// Clock is the time by which the server lives. Nil means SystemClock.
	Clock Clock
	// Seed determines the passwords of sessions. Zero means random ones.
	Seed int64
}

func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.TickTime <= 0 {
		c.TickTime = 3 * time.Second // ZooKeeperServer.DEFAULT_TICK_TIME
	}
	if c.MinSessionTimeout <= 0 {
		c.MinSessionTimeout = 2 * c.TickTime
	}
	if c.MaxSessionTimeout <= 0 {
		c.MaxSessionTimeout = 20 * c.TickTime
	}
	if c.ReapInterval <= 0 {
		c.ReapInterval = time.Minute
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	if c.Clock == nil {
		c.Clock = SystemClock{}
	}
	return c
}

// A Server serves one tree. Its methods may be called by many goroutines.
type Server struct {
	cfg       Config
	log       hclog.Logger
	clock     Clock
	start     time.Time
	listeners []net.Listener // one for each address
	running   sync.WaitGroup // the goroutines of the listeners and the connections

	// mu orders everything below: one request, one expiry, one fault at a time.
	mu        sync.Mutex
	tree      *tree
	watches   watches
	journal   *journal // nil without Config.Data
	zxid      int64
	sessions  map[int64]*session
	nextID    int64
	secret    int64
	conns     map[*conn]struct{}
	faults    []*Injection
	refusing  bool
	closed    bool
	lastReap  time.Time
	stopTimer func() bool
	scratch   jute.Writer // for the reply that is being written
	stats     serverStats
}

// Start returns a Server that accepts connections. It fails when the address
// cannot be used or the file of Config.Data cannot be read.
func Start(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	s := &Server{
		cfg: cfg, log: cfg.Logger, clock: cfg.Clock, start: cfg.Clock.Now(),
		tree: newTree(), watches: newWatches(), sessions: map[int64]*session{},
		conns: map[*conn]struct{}{}, secret: cfg.Seed,
	}
	if s.secret == 0 {
		var b [8]byte
		rand.Read(b[:])
		s.secret = int64(binary.BigEndian.Uint64(b[:]))
	}
	// A client that was connected before a restart refuses to go back in
	// time, so the first zxid comes from the clock: 2¹⁰ transactions for each
	// millisecond since 2020 stay ahead of any earlier run, and below 2⁵³.
	s.zxid = s.start.Sub(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)).Milliseconds() << 10
	s.nextID = firstSessionID(s.start)
	s.lastReap = s.start
	if cfg.Data != "" {
		if err := s.open(cfg.Data); err != nil {
			return nil, fmt.Errorf("loading the snapshot: %w", err)
		}
	}
	if err := s.listen(); err != nil {
		s.journal.close()
		return nil, err
	}
	s.mu.Lock()
	s.schedule()
	s.mu.Unlock()
	return s, nil
}

// listen opens the addresses and begins to accept connections.
func (s *Server) listen() error {
	var addresses []string
	if s.cfg.Listener != nil {
		s.listeners = append(s.listeners, s.cfg.Listener)
	} else {
		addresses = append(addresses, s.cfg.Listen)
	}
	if s.cfg.SecureListen != "" {
		addresses = append(addresses, s.cfg.SecureListen)
	}
	for _, a := range addresses {
		l, err := net.Listen("tcp", a)
		if err != nil {
			for _, l := range s.listeners {
				l.Close()
			}
			return fmt.Errorf("listening on %s: %w", a, err)
		}
		s.listeners = append(s.listeners, l)
	}
	for i, l := range s.listeners {
		config := s.cfg.TLS
		if i == 0 && s.cfg.SecureListen != "" {
			config = nil
		}
		s.log.Info("serving ZooKeeper's protocol from memory, for development and tests only", "address", l.Addr().String(), "tls", config != nil)
		s.running.Add(1)
		go s.accept(l, config)
	}
	return nil
}

// Addr returns the address of Config.Listen, "host:port", with the port that
// was found.
func (s *Server) Addr() string { return s.listeners[0].Addr().String() }

// SecureAddr returns the address that is served with TLS, or "".
func (s *Server) SecureAddr() string {
	switch {
	case s.cfg.TLS == nil:
		return ""
	case s.cfg.SecureListen != "":
		return s.listeners[1].Addr().String()
	}
	return s.Addr()
}

// Close ends all connections, saves the snapshot if Config.Data names a file,
// and returns when all goroutines have ended. Sessions are not closed: with a
// snapshot, clients can renew them at the next Start.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.running.Wait()
		return nil
	}
	s.closed = true
	s.stopTimer()
	for c := range s.conns {
		s.drop(c)
	}
	s.mu.Unlock()
	for _, l := range s.listeners {
		l.Close()
	}
	s.running.Wait()
	if s.journal == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.journal.finish(s); err != nil {
		return fmt.Errorf("saving the snapshot: %w", err)
	}
	return nil
}

// accept serves connections until the listener is closed.
func (s *Server) accept(l net.Listener, config *tls.Config) {
	defer s.running.Done()
	for {
		nc, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of file descriptors, most likely: others go on.
			s.log.Warn("accepting a connection", "error", err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		s.mu.Lock()
		if s.closed || s.refusing {
			s.mu.Unlock()
			nc.Close()
			continue
		}
		c := newConn(s, nc, config)
		s.conns[c] = struct{}{}
		s.running.Add(2)
		s.mu.Unlock()
		go c.read()
		go c.write()
	}
}

// schedule has tick called at the next multiple of the tick time.
func (s *Server) schedule() {
	wait := s.cfg.TickTime - s.elapsed()%s.cfg.TickTime
	s.stopTimer = s.clock.AfterFunc(wait, s.tick)
}

// elapsed is the time since the start, which no change of the wall clock moves.
func (s *Server) elapsed() time.Duration { return s.clock.Now().Sub(s.start) }

// tick does what the server does by itself: it expires sessions and reaps
// containers and TTL nodes.
func (s *Server) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.expire()
	if now := s.clock.Now(); now.Sub(s.lastReap) >= s.cfg.ReapInterval {
		s.lastReap = now
		s.reap()
	}
	s.schedule()
}
