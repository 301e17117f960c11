package zkdev

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// What srvr, stat, mntr and envi say of the version. Clients parse it: kazoo
// the numbers, go-zookeeper the date as well.
const (
	version   = "3.8.0-lockform"
	builtLine = version + ", built on 02/25/2022 08:49 UTC"
)

// words are the commands that a client can send in place of a first packet,
// four letters and nothing else (FourLetterCommands). All are answered as text
// and end the connection.
var words = map[string]func(*Server, *strings.Builder){
	"ruok": func(_ *Server, b *strings.Builder) { b.WriteString("imok") },
	"isro": func(_ *Server, b *strings.Builder) { b.WriteString("rw") },
	"srvr": (*Server).srvr,
	"stat": (*Server).stat,
	"mntr": (*Server).mntr,
	"cons": (*Server).cons,
	"dump": (*Server).dump,
	"conf": (*Server).conf,
	"envi": (*Server).envi,
	"wchs": func(s *Server, b *strings.Builder) { fmt.Fprintf(b, "%s\n\n", s.watches.summary()) },
	"wchp": func(s *Server, b *strings.Builder) { b.WriteString(s.watches.byPath()) },
	"wchc": func(s *Server, b *strings.Builder) { b.WriteString(s.watches.bySession()) },
}

func isWord(w string) bool {
	_, ok := words[w]
	return ok
}

// word returns the answer to a four-letter word that came over c.
func (s *Server) word(w string, c *conn) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.received++
	c.stats.received++
	var b strings.Builder
	words[w](s, &b)
	return b.String()
}

func (s *Server) srvr(b *strings.Builder) {
	fmt.Fprintf(b, "Zookeeper version: %s\n", builtLine)
	s.summary(b)
}

func (s *Server) stat(b *strings.Builder) {
	fmt.Fprintf(b, "Zookeeper version: %s\nClients:\n", builtLine)
	for _, c := range s.connsInOrder() {
		fmt.Fprintf(b, " /%s[%d](queued=0,recved=%d,sent=%d)\n", c.remote(), c.interest(), c.stats.received, c.stats.sent)
	}
	b.WriteByte('\n')
	s.summary(b)
}

func (s *Server) summary(b *strings.Builder) {
	l := s.stats.latency
	fmt.Fprintf(b, "Latency min/avg/max: %d/%s/%d\nReceived: %d\nSent: %d\nConnections: %d\nOutstanding: 0\nZxid: 0x%x\nMode: standalone\nNode count: %d\n",
		l.min, l.avg(), l.max, s.stats.received, s.stats.sent, len(s.conns), s.zxid, s.tree.size+2)
}

// cons lists every connection, with what its session did last.
func (s *Server) cons(b *strings.Builder) {
	for _, c := range s.connsInOrder() {
		st := c.stats
		fmt.Fprintf(b, " /%s[%d](queued=0,recved=%d,sent=%d", c.remote(), c.interest(), st.received, st.sent)
		if c.session != nil {
			fmt.Fprintf(b, ",sid=%s,lop=%s,est=%d,to=%d,", sessionID(c.session.id), cmp.Or(st.lastOp, "SESS"),
				c.established.UnixMilli(), c.session.timeout.Milliseconds())
			if st.lastXid >= 0 {
				fmt.Fprintf(b, "lcxid=0x%x,", st.lastXid)
			}
			fmt.Fprintf(b, "lzxid=0x%x,lresp=%d,llat=%d,minlat=%d,avglat=%d,maxlat=%d",
				cmp.Or(st.lastZxid, s.zxid), st.ended.UnixMilli(), st.last, st.latency.min, st.latency.mean(), st.latency.max)
		}
		b.WriteString(")\n")
	}
	b.WriteByte('\n')
}

// dump lists the sessions by the time at which they expire, and their
// ephemerals.
func (s *Server) dump(b *strings.Builder) {
	at := map[time.Duration][]int64{}
	for id, ss := range s.sessions {
		at[ss.expires] = append(at[ss.expires], id)
	}
	fmt.Fprintf(b, "SessionTracker dump:\nSession Sets (%d)/(%d):\n", len(at), len(s.sessions))
	for _, when := range slices.Sorted(maps.Keys(at)) {
		ids := at[when]
		slices.Sort(ids)
		fmt.Fprintf(b, "%d expire at %s:\n", len(ids), s.start.Add(when).Format("Mon Jan 02 15:04:05 MST 2006"))
		for _, id := range ids {
			fmt.Fprintf(b, "\t%s\n", sessionID(id))
		}
	}
	fmt.Fprintf(b, "ephemeral nodes dump:\nSessions with Ephemerals (%d):\n", len(s.tree.ephemerals))
	for _, id := range slices.Sorted(maps.Keys(s.tree.ephemerals)) {
		fmt.Fprintf(b, "%s:\n", sessionID(id))
		for _, n := range s.tree.owned(id) {
			fmt.Fprintf(b, "\t%s\n", n.path())
		}
	}
	fmt.Fprintf(b, "Connections dump:\nConnections Sets (%d)/(%d):\n", min(len(s.conns), 1), len(s.conns))
	for _, c := range s.connsInOrder() {
		id := int64(0)
		if c.session != nil {
			id = c.session.id
		}
		fmt.Fprintf(b, "\tip: /%s sessionId: %s\n", c.remote(), sessionID(id))
	}
}

func (s *Server) conf(b *strings.Builder) {
	_, port, _ := net.SplitHostPort(s.Addr())
	_, secure, _ := net.SplitHostPort(s.SecureAddr())
	if s.Addr() == s.SecureAddr() {
		port = ""
	}
	for _, kv := range []struct {
		key   string
		value any
	}{
		{"clientPort", cmp.Or(port, "-1")},
		{"secureClientPort", cmp.Or(secure, "-1")},
		{"dataDir", s.cfg.Data},
		{"dataDirSize", 0},
		{"dataLogDir", s.cfg.Data},
		{"dataLogSize", 0},
		{"tickTime", s.cfg.TickTime.Milliseconds()},
		{"maxClientCnxns", 0},
		{"minSessionTimeout", s.cfg.MinSessionTimeout.Milliseconds()},
		{"maxSessionTimeout", s.cfg.MaxSessionTimeout.Milliseconds()},
		{"clientPortListenBacklog", -1},
		{"serverId", 0},
	} {
		fmt.Fprintf(b, "%s=%v\n", kv.key, kv.value)
	}
}

func (s *Server) envi(b *strings.Builder) {
	host, _ := os.Hostname()
	fmt.Fprintf(b, "Environment:\nzookeeper.version=%s\nhost.name=%s\nos.name=%s\nos.arch=%s\n",
		builtLine, host, runtime.GOOS, runtime.GOARCH)
}

// mntr writes the values of MonitorCommand that have a meaning here.
func (s *Server) mntr(b *strings.Builder) {
	ephemerals := 0
	for _, set := range s.tree.ephemerals {
		ephemerals += len(set)
	}
	l := s.stats.latency
	for _, kv := range []struct {
		key   string
		value any
	}{
		{"version", builtLine},
		{"server_state", "standalone"},
		{"ephemerals_count", ephemerals},
		{"num_alive_connections", len(s.conns)},
		{"avg_latency", l.avg()},
		{"min_latency", l.min},
		{"max_latency", l.max},
		{"outstanding_requests", 0},
		{"znode_count", s.tree.size + 2},
		{"watch_count", s.watches.count()},
		{"global_sessions", len(s.sessions)},
		{"local_sessions", 0},
		{"packets_received", s.stats.received},
		{"packets_sent", s.stats.sent},
		{"auth_failed_count", s.stats.authFailed},
		{"approximate_data_size", s.tree.bytes},
		{"uptime", s.elapsed().Milliseconds()},
	} {
		fmt.Fprintf(b, "zk_%s\t%v\n", kv.key, kv.value)
	}
}

// connsInOrder returns the connections by client address.
func (s *Server) connsInOrder() []*conn {
	return slices.SortedFunc(maps.Keys(s.conns), func(a, b *conn) int { return cmp.Compare(a.remote(), b.remote()) })
}

// interest is 1 for a connection that the server reads from, and 0 for one
// that asked a four-letter word (the interest set of a selection key).
func (c *conn) interest() int {
	if c.session == nil {
		return 0
	}
	return 1
}

// serverStats are the server's counters (ServerStats).
type serverStats struct {
	received, sent, authFailed int64
	latency                    latency
}

// connStats are a connection's counters (ServerCnxn).
type connStats struct {
	received, sent int64
	started, ended time.Time // of the last request
	lastOp         string
	lastXid        int32
	lastZxid       int64
	last           int64 // milliseconds
	latency        latency
}

func (st *connStats) begin(now time.Time) { st.started = now }

// done notes a reply and returns how long it took.
func (st *connStats) done(op Op, xid int32, zxid int64, now time.Time) time.Duration {
	took := now.Sub(st.started)
	st.ended, st.lastOp, st.lastXid, st.lastZxid = now, opNames[op].last, xid, zxid
	st.last = took.Milliseconds()
	st.latency.add(took)
	return took
}

// latency is a summary of times in milliseconds.
type latency struct {
	n, sum, min, max int64
}

func (l *latency) add(d time.Duration) {
	ms := d.Milliseconds()
	if l.n == 0 || ms < l.min {
		l.min = ms
	}
	l.max = max(l.max, ms)
	l.n++
	l.sum += ms
}

func (l latency) mean() int64 { return l.sum / max(l.n, 1) }

// avg is the mean as ServerStats rounds it: up to four digits, at least one.
func (l latency) avg() string {
	s := strings.TrimRight(fmt.Sprintf("%.4f", float64(l.sum)/float64(max(l.n, 1))), "0")
	if strings.HasSuffix(s, ".") {
		s += "0"
	}
	return s
}
