package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// member makes a server of an ensemble that is well.
func member(address, mode string, change ...func(*Server)) Server {
	s := Server{
		Address: address, Reachable: true, Serving: true, Mode: mode, Version: "3.8.0-5a02a05",
		Latency: Latency{0, 0.5, 12}, TickTime: 2000, MinSession: 4000, MaxSession: 40000, Quorum: -1, Synced: -1, WordsAllowed: words, WordsRefused: []string{},
	}
	if mode == "leader" {
		s.Quorum, s.Synced = 3, 2
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func dead(address string) Server {
	return Server{
		Address: address, Problem: "connection refused", Latency: Latency{-1, -1, -1}, Outstanding: -1, Connections: -1,
		TickTime: -1, MinSession: -1, MaxSession: -1, Quorum: -1, Synced: -1, WordsAllowed: []string{}, WordsRefused: []string{},
	}
}

func TestJudgeServers(t *testing.T) {
	three := func(change ...func(*Server)) []Server {
		return []Server{member("a:1", "leader", change...), member("b:1", "follower"), member("c:1", "follower")}
	}
	for name, tt := range map[string]struct {
		servers []Server
		want    []string // "severity check server: beginning of the summary", one for each finding
	}{
		"Well":     {three(), nil},
		"OneDead":  {[]Server{member("a:1", "leader", func(s *Server) { s.Synced = 1 }), member("b:1", "follower"), dead("c:1")}, []string{"warning quorum a:1: 1 of the 3 voting servers is not in step with the leader: with one less there is no quorum", "warning reachable c:1: The server cannot be reached: connection refused"}},
		"AllDead":  {[]Server{dead("a:1"), dead("b:1")}, []string{"error quorum : No server can be reached", "warning reachable a:1: The", "warning reachable b:1: The"}},
		"NoQuorum": {[]Server{member("a:1", "", func(s *Server) { s.Serving, s.Version = false, "" }), dead("b:1"), dead("c:1")}, []string{"error quorum : No server serves requests", "error quorum a:1: The server does not belong to a quorum", "warning reachable b:1", "warning reachable c:1"}},
		"ReadOnly": {[]Server{member("a:1", "read-only"), dead("b:1"), dead("c:1")}, []string{"error quorum a:1: The server has lost its quorum", "warning reachable b:1", "warning reachable c:1"}},
		"FiveWithoutOne": {
			[]Server{member("a:1", "leader", func(s *Server) { s.Quorum, s.Synced = 5, 3 }), member("b:1", "follower"), member("c:1", "follower"), member("d:1", "follower"), dead("e:1")},
			[]string{"warning quorum a:1: 1 of the 5 voting servers is not in step with the leader: the loss of one more is survived", "warning reachable e:1"},
		},
		"TwoTrees":       {[]Server{member("a:1", "standalone"), member("b:1", "standalone")}, []string{"error quorum : a:1, b:1 run alone, and 2 servers are declared as one ensemble"}},
		"OneAloneOfTwo":  {[]Server{member("a:1", "standalone"), member("b:1", "follower")}, []string{"error quorum : a:1 runs alone"}},
		"TwoLeaders":     {[]Server{member("a:1", "leader"), member("b:1", "leader"), member("c:1", "follower")}, []string{"error quorum : a:1, b:1 are leaders"}},
		"LeaderNotNamed": {[]Server{member("b:1", "follower")}, []string{"note quorum : The leader is not among the servers"}},
		"Alone":          {[]Server{member("a:1", "standalone")}, []string{"note quorum a:1: The ensemble has one server"}},
		"Even":           {[]Server{member("a:1", "leader", func(s *Server) { s.Quorum, s.Synced = 2, 1 }), member("b:1", "follower")}, []string{"note quorum : The ensemble has 2 voting servers"}},
		"Slow":           {three(func(s *Server) { s.Latency = Latency{1, 80.5, 400} }), []string{"warning latency a:1: Requests take 80.5 ms on average"}},
		"Stalled":        {three(func(s *Server) { s.Latency.Max = 6000 }), []string{"warning latency a:1: A request took 6000 ms"}},
		"Overloaded":     {three(func(s *Server) { s.Outstanding = 400 }), []string{"warning outstanding a:1: 400 requests wait"}},
		"LongerTick":     {three(func(s *Server) { s.TickTime = 4000 }), []string{"error tick_time a:1: The server's tickTime is 4s"}},
		"SessionTooLong": {three(func(s *Server) { s.MaxSession = 10000 }), []string{"note session_timeout a:1: The server grants session timeouts from 4000 ms to 10000 ms"}},
		"WordsRefused":   {three(func(s *Server) { s.WordsRefused = []string{"envi", "mntr"} }), []string{"note words a:1: The server does not allow the four-letter word mntr, so that it is not known for sure: whether all voting servers are in step"}},
		"Versions":       {three(func(s *Server) { s.Version = "3.9.1" }), []string{"warning version : The servers run different releases: 3.8.0-5a02a05, 3.9.1"}},
		"Old":            {[]Server{member("a:1", "leader", func(s *Server) { s.Version = "3.4.14" }), member("b:1", "follower", func(s *Server) { s.Version = "3.4.14" })}, []string{"note quorum : The ensemble has 2", "warning version a:1: ZooKeeper 3.4.14 is too old"}},
		"WithoutMultiRead": {
			[]Server{member("a:1", "leader", func(s *Server) { s.Version = "3.5.8" }), member("b:1", "follower", func(s *Server) { s.Version = "3.5.8" }), member("c:1", "follower", func(s *Server) { s.Version = "3.5.8" })},
			[]string{"note version a:1: ZooKeeper 3.5.8 cannot read many znodes with one request"},
		},
		"NothingTold": {[]Server{{Address: "a:1", Reachable: true, Serving: true, Outstanding: -1, TickTime: -1, MinSession: -1, WordsRefused: []string{"mntr", "srvr"}}}, []string{"note words a:1: The server does not allow the four-letter words srvr, mntr, so that"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range Judge(Wish{"main", 3 * time.Second, 15 * time.Second}, tt.servers) {
				got = append(got, fmt.Sprintf("%s %s %s: %s", f.Severity, f.Check, f.Server, f.Summary))
				if f.Ensemble != "main" {
					t.Errorf("%s: got ensemble %q", f.Summary, f.Ensemble)
				}
			}
			slices.Sort(got)
			ok := len(got) == len(tt.want)
			for i := range got {
				ok = ok && strings.HasPrefix(got[i], tt.want[i])
			}
			if !ok {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// What a server of an ensemble of three answers (ZooKeeper 3.8.0).
const (
	srvrOfFollower = "Zookeeper version: 3.8.0-${mvngit.commit.id}, built on 2022-02-25 08:49 UTC\nLatency min/avg/max: 0/1.2069/24\nReceived: 31\nSent: 30\nConnections: 3\nOutstanding: 7\nZxid: 0x100000004\nMode: follower\nNode count: 7\n"
	mntrOfLeader   = "zk_version\t3.8.0--1, built on 2022-02-25 08:49 UTC\nzk_server_state\tleader\nzk_quorum_size\t3\nzk_synced_followers\t2\nzk_outstanding_requests\t3\nzk_num_alive_connections\t9\nzk_min_latency\t0\nzk_avg_latency\t2.5\nzk_max_latency\t17\n"
	conf           = "clientPort=2181\ntickTime=2000\nminSessionTimeout=4000\nmaxSessionTimeout=40000\n"
)

func TestServersAreRead(t *testing.T) {
	refused := fmt.Errorf("%w: not whitelisted", zkfs.ErrNoAuth)
	for name, tt := range map[string]struct {
		answers map[string]string // nil: refused
		down    error
		want    Server
	}{
		"Everything": {map[string]string{"srvr": srvrOfFollower, "conf": conf, "ruok": "imok", "isro": "rw"}, nil, Server{
			Reachable: true, Serving: true, Mode: "follower", Version: "3.8.0", Latency: Latency{0, 1.2069, 24},
			Outstanding: 7, Connections: 3, TickTime: 2000, MinSession: 4000, MaxSession: 40000, Quorum: -1, Synced: -1,
			WordsAllowed: []string{"conf", "isro", "ruok", "srvr"}, WordsRefused: []string{"envi", "mntr", "wchs"},
		}},
		"MntrAlone": {map[string]string{"mntr": mntrOfLeader}, nil, Server{
			Reachable: true, Serving: true, Mode: "leader", Version: "3.8.0", Latency: Latency{0, 2.5, 17},
			Outstanding: 3, Connections: 9, TickTime: -1, MinSession: -1, MaxSession: -1, Quorum: 3, Synced: 2,
			WordsAllowed: []string{"mntr"}, WordsRefused: []string{"conf", "envi", "isro", "ruok", "srvr", "wchs"},
		}},
		"WithoutQuorum": {map[string]string{"srvr": "This ZooKeeper instance is not currently serving requests\n"}, nil, Server{
			Reachable: true, Problem: "it does not belong to a quorum", Latency: Latency{-1, -1, -1},
			Outstanding: -1, Connections: -1, TickTime: -1, MinSession: -1, MaxSession: -1, Quorum: -1, Synced: -1,
			WordsAllowed: []string{"srvr"}, WordsRefused: []string{"conf", "envi", "isro", "mntr", "ruok", "wchs"},
		}},
		"ReadOnly": {map[string]string{"isro": "ro", "srvr": "Zookeeper version:\nMode: read-only\n"}, nil, Server{
			Reachable: true, Serving: true, Mode: "read-only", Latency: Latency{-1, -1, -1},
			Outstanding: -1, Connections: -1, TickTime: -1, MinSession: -1, MaxSession: -1, Quorum: -1, Synced: -1,
			WordsAllowed: []string{"isro", "srvr"}, WordsRefused: []string{"conf", "envi", "mntr", "ruok", "wchs"},
		}},
		"Down": {nil, errors.New("connection refused"), Server{
			Problem: "connection refused", Latency: Latency{-1, -1, -1},
			Outstanding: -1, Connections: -1, TickTime: -1, MinSession: -1, MaxSession: -1, Quorum: -1, Synced: -1,
			WordsAllowed: []string{}, WordsRefused: []string{},
		}},
		"SomethingElse": {map[string]string{"srvr": "HTTP/1.1 400 Bad Request\r\n"}, nil, Server{
			Problem: "what answers there is no ZooKeeper server, or one that takes other connections at this port", Latency: Latency{-1, -1, -1},
			Outstanding: -1, Connections: -1, TickTime: -1, MinSession: -1, MaxSession: -1, Quorum: -1, Synced: -1,
			WordsAllowed: []string{}, WordsRefused: []string{},
		}},
		"Nonsense": {map[string]string{"srvr": "Zookeeper version:\nLatency min/avg/max: x/y\nOutstanding:\nMode: \n\x00", "mntr": "zk_avg_latency\tmany\n", "conf": "="}, nil, Server{
			Reachable: true, Serving: true, Latency: Latency{-1, -1, -1},
			Outstanding: -1, Connections: -1, TickTime: -1, MinSession: -1, MaxSession: -1, Quorum: -1, Synced: -1,
			WordsAllowed: []string{"conf", "mntr", "srvr"}, WordsRefused: []string{"envi", "isro", "ruok", "wchs"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.want.Address = "zk1:2181"
			got := Servers(context.Background(), []string{"zk1:2181"}, func(_ context.Context, _, word string) (string, error) {
				if answer, ok := tt.answers[word]; ok {
					return answer, nil
				}
				if tt.down != nil {
					return "", tt.down
				}
				return "", refused
			})
			if d := cmp.Diff(got, []Server{tt.want}); d != "" {
				t.Errorf("got (-), want (+):\n%s", d)
			}
		})
	}
}

// A server that allows no word but one says so for the others, and works.
func TestWordsThatARealServerRefuses(t *testing.T) {
	s := zktest.StartReal(t, zktest.RealConfig{Extra: []string{"4lw.commands.whitelist=srvr"}})
	got := Servers(t.Context(), []string{s.Addr}, asker(zkconn.Config{Servers: s.Addr}))[0]
	if want := []string{"srvr"}; !slices.Equal(got.WordsAllowed, want) || len(got.WordsRefused) != len(words)-1 {
		t.Errorf("got %v allowed and %v refused, want %v allowed and all others refused", got.WordsAllowed, got.WordsRefused, want)
	}
	if got.Mode != "standalone" || !strings.HasPrefix(got.Version, "3.") || got.Latency.Avg < 0 || !Quorum([]Server{got}) {
		t.Errorf("got %+v", got)
	}
	found := Judge(Wish{"main", 3 * time.Second, 15 * time.Second}, []Server{got})
	if !slices.ContainsFunc(found, func(f Finding) bool { return f.Check == "words" && f.Severity == Note }) {
		t.Errorf("it is not said that words are refused: %+v", found)
	}
}

// Both kinds of servers tell what is asked for.
func TestServersTellTheirHealth(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		got := Servers(t.Context(), []string{e.Addr}, asker(zkconn.Config{Servers: e.Addr}))[0]
		if got.Mode != "standalone" || got.Outstanding < 0 || got.Connections < 0 || got.Latency.Max < 0 ||
			got.TickTime != zktest.Tick.Milliseconds() || got.MinSession != zktest.MinSessionTimeout.Milliseconds() || len(got.WordsAllowed) != len(words) {
			t.Errorf("got %+v", got)
		}
	})
}

func asker(cfg zkconn.Config) Asker {
	return func(ctx context.Context, host, word string) (string, error) {
		return zkconn.FourLetterWord(ctx, cfg, host, word)
	}
}

// FuzzRead feeds what a server may answer.
func FuzzRead(f *testing.F) {
	f.Add(srvrOfFollower, mntrOfLeader, conf)
	f.Add("Mode", "zk_version", "tickTime=99999999999999999999")
	f.Fuzz(func(t *testing.T, srvr, mntr, conf string) {
		var s Server
		s.read(map[string]string{"srvr": srvr, "mntr": mntr, "conf": conf})
		Judge(Wish{"main", time.Second, time.Second}, []Server{s})
	})
}
