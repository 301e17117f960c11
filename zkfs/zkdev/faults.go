package zkdev

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

// An Action is what an injected fault does.
type Action int

// The faults of single requests.
const (
	// DropReply carries the request out and never answers it.
	DropReply Action = iota + 1
	// DelayReply carries it out and holds the reply, and all that the
	// connection gets after it, for Fault.Delay of the server's clock.
	DelayReply
	// CloseAfter carries it out and closes the connection instead of
	// answering: the client cannot know that it happened.
	CloseAfter
	// CloseBefore closes the connection instead of carrying it out: the client
	// cannot know that it did not happen.
	CloseBefore
	// Fail answers with Fault.Code instead of carrying it out.
	Fail
)

// A Fault says what goes wrong with one request.
type Fault struct {
	Action Action
	// Kind counts only requests of one kind: OpCreate stands for all creates,
	// OpGetChildren and OpSetWatches for both of theirs. Zero counts all.
	Kind Op
	// Session counts only the requests of one session. Zero counts all.
	Session int64
	// Path counts only requests for this path, as it was sent. Empty counts all.
	Path zkfs.Path
	// Nth is which of the requests counted from now on it strikes. Zero means
	// the first.
	Nth int
	// Times is how many consecutive requests it strikes. Zero means one.
	Times int
	Delay time.Duration // of DelayReply
	Code  Code          // of Fail
}

// An Injection is a Fault that waits for its request.
type Injection struct {
	s     *Server
	f     Fault
	seen  int
	fired chan struct{}
	once  sync.Once
}

// Fired is closed when the fault has struck its first request.
func (i *Injection) Fired() <-chan struct{} { return i.fired }

// Cancel takes the fault back.
func (i *Injection) Cancel() {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	i.s.faults = slices.DeleteFunc(i.s.faults, func(j *Injection) bool { return i == j })
}

// Inject makes a fault happen. Of several that would strike one request, the
// one injected first does; the others do not count that request.
func (s *Server) Inject(f Fault) *Injection {
	f.Nth, f.Times = max(f.Nth, 1), max(f.Times, 1)
	i := &Injection{s: s, f: f, fired: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, i)
	return i
}

// fault returns the injection that strikes the request whose record is in r, or
// nil.
func (s *Server) fault(c *conn, op Op, r *jute.Reader) *Injection {
	if len(s.faults) == 0 {
		return nil
	}
	path := pathOf(op, *r)
	for _, i := range s.faults {
		f := i.f
		if f.Kind != 0 && f.Kind.kind() != op.kind() ||
			f.Session != 0 && f.Session != c.session.id ||
			f.Path != "" && string(f.Path) != path {
			continue
		}
		i.seen++
		if i.seen < f.Nth {
			continue
		}
		if i.seen == f.Nth+f.Times-1 {
			s.faults = slices.DeleteFunc(s.faults, func(j *Injection) bool { return i == j })
		}
		s.log.Debug("injected fault", "request", op, "path", path, "session", sessionID(c.session.id))
		return i
	}
	return nil
}

// pathOf returns the path that most records begin with, or "".
func pathOf(op Op, r jute.Reader) string {
	switch op {
	case OpMulti, OpMultiRead, OpSetWatches, OpSetWatches2, OpPing, OpCloseSession, OpWhoAmI, OpAuth, OpSASL:
		return ""
	}
	path, _ := r.NullString()
	return path
}

// done tells that the fault has struck.
func (i *Injection) done() {
	if i != nil {
		i.once.Do(func() { close(i.fired) })
	}
}

// before reports whether the connection was closed in place of the request.
func (i *Injection) before(c *conn) bool {
	if i == nil || i.f.Action != CloseBefore {
		return false
	}
	c.s.drop(c)
	return true
}

// code returns the error to answer with in place of the request.
func (i *Injection) code() (Code, bool) {
	if i == nil || i.f.Action != Fail {
		return OK, false
	}
	return i.f.Code, true
}

// send sends the reply, or does with it what the fault says.
func (i *Injection) send(c *conn, packet []byte) {
	if i == nil {
		c.send(packet)
		return
	}
	switch i.f.Action {
	case DropReply:
	case CloseAfter:
		c.s.drop(c)
	case DelayReply:
		c.s.clock.AfterFunc(i.f.Delay, c.hold(packet))
	default:
		c.send(packet)
	}
}

// Sessions returns the ids of the live sessions in the order of their creation.
func (s *Server) Sessions() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]int64, 0, len(s.sessions))
	for id := range s.sessions {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Node returns a znode as it is now, without its ACL: a look that is no request
// and takes no time.
func (s *Server) Node(path zkfs.Path) zkfs.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.tree.find(string(path))
	if n == nil {
		return zkfs.Node{Path: path, Absent: true}
	}
	st := n.stat()
	return zkfs.Node{
		Path: path, Data: slices.Clone(n.data), Children: n.children.names(),
		Stat: zkfs.Stat{
			Czxid: st.czxid, Mzxid: st.mzxid, Ctime: time.UnixMilli(st.ctime), Mtime: time.UnixMilli(st.mtime),
			Version: st.version, Cversion: st.cversion, Aversion: st.aversion, EphemeralOwner: st.owner,
			DataLength: st.dataLength, NumChildren: st.numChildren, Pzxid: st.pzxid,
		},
	}
}

// ExpireSession ends a session as if its time were over. It reports whether
// there was one.
func (s *Server) ExpireSession(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ss := s.sessions[id]
	if ss != nil {
		s.end(ss)
	}
	return ss != nil
}

// CloseConnection closes the connection of a session, which lives on; 0 means
// all connections. It reports whether there was one.
func (s *Server) CloseConnection(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.connsOf(id)
	for _, c := range all {
		s.drop(c)
	}
	return len(all) > 0
}

// Freeze keeps the connection of a session open but mute: nothing more is read
// from it or written to it, so that the session expires unless the client goes
// elsewhere. 0 means all connections there are now. The returned function
// thaws them.
func (s *Server) Freeze(id int64) (thaw func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	frozen := s.connsOf(id)
	for _, c := range frozen {
		c.freeze(true)
	}
	return func() {
		for _, c := range frozen {
			c.freeze(false)
		}
	}
}

// connsOf returns the open connection of a session, if any, or all for 0.
func (s *Server) connsOf(id int64) []*conn {
	var all []*conn
	for c := range s.conns {
		if !c.dead() && (id == 0 || c.session != nil && c.session.id == id) {
			all = append(all, c)
		}
	}
	return all
}

func (c *conn) freeze(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = on
	c.wake.Broadcast()
}

// RefuseConnections makes the server close every new connection at once, until
// it is called with false. Those that exist stay.
func (s *Server) RefuseConnections(refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusing = refuse
}

// SetSequence makes next the number that the next sequential child of path
// gets, and so the number of children that path counts as ever created. A real
// server gets there only by creating them; tests want to see what happens near
// the end of int32.
func (s *Server) SetSequence(path zkfs.Path, next int64) error {
	if next < 0 || next > math.MaxInt32 {
		return fmt.Errorf("the sequence of %s cannot be set to %d: it is an int32 that begins at 0", path, next)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.tree.find(string(path))
	if n == nil {
		return &zkfs.OpError{Op: "SetSequence", Path: path, Err: zkfs.ErrNoNode}
	}
	n.cversion = int32(next)
	return nil
}
