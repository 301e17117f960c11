package zkdev

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/lockform/lockform/zkfs/internal/jute"
)

// A session outlives its connections until it expires or is closed
// (SessionTrackerImpl).
type session struct {
	id      int64
	timeout time.Duration // as negotiated by the latest connection
	expires time.Duration // since the server's start; a multiple of the tick
	conn    *conn         // nil while the client is away
}

// sessionID writes a session's id as ZooKeeper's tools do.
func sessionID(id int64) string { return "0x" + strconv.FormatUint(uint64(id), 16) }

// firstSessionID mirrors SessionTrackerImpl.initializeNextSessionId for server
// id 0: the clock in the middle, zeros below to count in.
func firstSessionID(now time.Time) int64 {
	return int64(uint64(now.UnixMilli()) << 24 >> 8)
}

// password is what a client must show to renew its session. It follows from
// the session's id, as in ZooKeeperServer.generatePasswd.
func (s *Server) password(id int64) []byte {
	r := rand.New(rand.NewPCG(uint64(id), uint64(s.secret)))
	b := make([]byte, 0, 16)
	b = binary.BigEndian.AppendUint64(b, r.Uint64())
	return binary.BigEndian.AppendUint64(b, r.Uint64())
}

// touch puts off the expiry: ⌊(now + timeout) / tick⌋ + 1 ticks
// (ExpiryQueue.roundToNextInterval).
func (s *Server) touch(ss *session) {
	tick := s.cfg.TickTime
	ss.expires = ((s.elapsed()+ss.timeout)/tick + 1) * tick
}

// expire ends the sessions whose time is over, lowest id first.
func (s *Server) expire() {
	now := s.elapsed()
	var over []*session
	for _, ss := range s.sessions {
		if ss.expires <= now {
			over = append(over, ss)
		}
	}
	slices.SortFunc(over, func(a, b *session) int { return cmp.Compare(a.id, b.id) })
	for _, ss := range over {
		s.log.Info("session expired", "session", sessionID(ss.id), "timeout", ss.timeout)
		s.end(ss)
	}
}

// end removes a session and its ephemerals, in one transaction. Its connection
// is closed; a client finds out about an expiry when it comes back.
func (s *Server) end(ss *session) {
	delete(s.sessions, ss.id)
	c := ss.conn
	if c != nil {
		// Its own watches see the deletions, as in the server.
		defer s.drop(c)
	}
	t := s.begin(nil, ss.id)
	for _, n := range s.tree.owned(ss.id) {
		t.remove(n, n.path())
	}
	t.over(ss)
	t.commit()
}

// reap deletes containers that had children and have none, and TTL nodes
// without children that were not changed for their time (ContainerManager).
// Each is a transaction of its own; a container within a container goes in
// the next round.
func (s *Server) reap() {
	now := s.clock.Now().UnixMilli()
	var due []*node
	for _, n := range inOrder(s.tree.mortal) {
		if n.children.size == 0 && (n.kind == container && n.cversion > 0 || n.kind == ttlNode && now-n.mtime > n.owner) {
			due = append(due, n)
		}
	}
	for _, n := range due {
		t := s.begin(nil, 0)
		t.remove(n, n.path())
		t.commit()
	}
}

var (
	errAhead   = errors.New("the client has seen a later transaction than this server; it must try another one")
	errConnect = errors.New("malformed connect request")
)

// connect handles the first packet of a connection: a new session, or the
// renewal of one (ZooKeeperServer.processConnectRequest). An error means that
// the connection is to be closed without an answer.
func (s *Server) connect(c *conn, packet []byte) error {
	r := jute.NewReader(packet)
	r.Int32() // the protocol version, always 0
	seen := r.Int64()
	timeout := time.Duration(r.Int32()) * time.Millisecond
	id := r.Int64()
	password := r.Buffer()
	if r.Err() != nil {
		return errConnect
	}
	c.old = r.Len() == 0 // before 3.4 there was no byte for read-only

	s.mu.Lock()
	defer s.mu.Unlock()
	if c.dead() {
		return nil
	}
	if seen > s.zxid {
		return errAhead
	}
	timeout = min(max(timeout, s.cfg.MinSessionTimeout), s.cfg.MaxSessionTimeout)
	s.stats.received++
	c.stats.received++
	if id == 0 {
		t := s.begin(nil, s.nextID)
		ss := &session{id: s.nextID, timeout: timeout, conn: c}
		s.nextID++
		s.sessions[ss.id] = ss
		c.session = ss
		s.touch(ss)
		t.live(ss)
		t.commit()
		s.welcome(c)
		return nil
	}
	ss := s.sessions[id]
	if ss != nil && ss.conn != nil {
		// The client moved here: its former connection goes, even before
		// the password is looked at.
		s.drop(ss.conn)
	}
	if ss == nil || !slices.Equal(password, s.password(id)) {
		s.log.Info("session not renewed: it has expired, or the password is wrong", "session", sessionID(id), "client", c.remote())
		s.refuse(c)
		return nil
	}
	ss.timeout, ss.conn = timeout, c
	c.session = ss
	s.touch(ss)
	s.welcome(c)
	return nil
}

// welcome answers a connect request with the session.
func (s *Server) welcome(c *conn) {
	c.established = s.clock.Now()
	s.connectReply(c, int32(c.session.timeout/time.Millisecond), c.session.id, s.password(c.session.id))
}

// refuse answers with session id 0, which means that the session has expired,
// and ends the connection.
func (s *Server) refuse(c *conn) {
	s.connectReply(c, 0, 0, make([]byte, 16))
	c.finish()
}

func (s *Server) connectReply(c *conn, timeout int32, id int64, password []byte) {
	w := &s.scratch
	w.Buf = w.Buf[:0]
	w.Frame(func() {
		w.Int32(0)
		w.Int32(timeout)
		w.Int64(id)
		w.Buffer(password)
		if !c.old {
			w.Bool(false) // read-only
		}
	})
	s.stats.sent++
	c.stats.sent++
	c.send(w.Buf)
}
