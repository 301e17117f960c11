package ui

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"gotest.tools/v3/golden"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/cmd/lockform/internal/doctor"
	"github.com/lockform/lockform/cmd/lockform/internal/live"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fake is a Source of what a test sets.
type fake struct {
	names  []string
	mu     sync.Mutex
	queues map[string]Queues
	survey Survey
	looks  atomic.Int64
	mute   map[string]chan struct{} // Queues of these ensembles waits for it, or for the end of its context
}

func (f *fake) Ensembles() []string { return f.names }

func (f *fake) Queues(ctx context.Context, ensemble string) Queues {
	f.looks.Add(1)
	if block := f.mute[ensemble]; block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return Queues{Problems: []plan.Problem{{Summary: ctx.Err().Error()}}}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queues[ensemble]
}

func (f *fake) Survey(context.Context) Survey {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.survey
}

// one is a Source of one ensemble, "main".
func one(nodes ...Node) *fake {
	return &fake{names: []string{"main"}, queues: map[string]Queues{"main": {Nodes: nodes}}}
}

var loopback = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8370}

// open returns a Handler of a Source on this machine, which the test's end
// closes.
func open(t *testing.T, f *fake) *Handler {
	base, cancel := context.WithCancel(context.Background())
	h := New(base, f, "127.0.0.1:8370", loopback)
	t.Cleanup(func() { cancel(); h.Close() })
	return h
}

// ask asks a Handler.
func ask(h http.Handler, path string, header ...string) (*http.Response, string) {
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8370"+path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Result().Body)
	return w.Result(), string(body)
}

// lockNode is a lock with so many contenders, of whom the first holds.
func lockNode(ensemble, path string, contenders int) Node {
	p := layout.DefaultPolicy()
	q := lock.Queue{Path: zkfs.Path(path), Policy: &p}
	for i := range contenders {
		q.Contenders = append(q.Contenders, lock.Contender{
			Owner: fmt.Sprintf("owner-%d", i), Host: "h", PID: i + 1, Holds: i == 0, Mode: "exclusive", Token: int64(100 + i), Session: 7,
			Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		})
	}
	return Node{ensemble, layout.KindLock, "lock." + layout.Address(path[1:]), q.Path, &live.Lock{Queue: live.Queue{Queue: q}}}
}

func TestHostsThatAreNoNameOfOursGetNothing(t *testing.T) {
	all := &net.TCPAddr{IP: net.IPv6unspecified, Port: 8370}
	for _, tt := range []struct {
		listen string
		addr   net.Addr
		host   string
		want   int
	}{
		{"127.0.0.1:8370", loopback, "127.0.0.1:8370", 200},
		{"127.0.0.1:8370", loopback, "localhost:8370", 200},
		{"127.0.0.1:8370", loopback, "LOCALHOST", 200},
		{"127.0.0.1:8370", loopback, "[::1]:8370", 200},
		{"[::1]:8370", &net.TCPAddr{IP: net.IPv6loopback}, "[::1]", 200},
		{"localhost:8370", loopback, "127.0.0.1", 200},
		{"myhost:8370", &net.TCPAddr{IP: net.IPv4(127, 0, 1, 1)}, "MyHost:8370", 200},
		{"myhost:8370", &net.TCPAddr{IP: net.IPv4(127, 0, 1, 1)}, "evil.example", 421},
		{"127.0.0.1:8370", loopback, "evil.example", 421},
		{"127.0.0.1:8370", loopback, "evil.example:8370", 421},
		{"127.0.0.1:8370", loopback, "127.0.0.1.evil.example", 421},
		{"127.0.0.1:8370", loopback, "", 421},
		{"localhost:8370", loopback, "evil.example", 421},
		{"0.0.0.0:8370", &net.TCPAddr{IP: net.IPv4zero}, "locks.example", 200},
		{":8370", all, "locks.example", 200},
		{"10.0.0.1:8370", &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, "locks.example", 200},
	} {
		h := New(t.Context(), one(), tt.listen, tt.addr)
		r := httptest.NewRequest(http.MethodGet, "http://x/healthz", nil)
		r.Host = tt.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("listening on %s, Host %q: got %d, want %d", tt.listen, tt.host, w.Code, tt.want)
		}
	}
}

func TestEverythingIsBounded(t *testing.T) {
	var nodes []Node
	for i := range 3 * maxRows {
		n := 0
		if i == 2*maxRows {
			n = 3 * maxPeople
		}
		nodes = append(nodes, lockNode("main", fmt.Sprintf("/locks/l%04d", i), n))
	}
	h := open(t, one(nodes...))
	_, body := ask(h, "/now")
	if got := strings.Count(body, "<code><bdi>/locks/"); got != maxRows {
		t.Errorf("%d rows, want %d", got, maxRows)
	}
	busy := fmt.Sprintf("/locks/l%04d", 2*maxRows)
	if !strings.Contains(body, busy) {
		t.Errorf("the lock in use is not among them")
	}
	if want := fmt.Sprintf("and %d more", 3*maxPeople-1-maxPeople); !strings.Contains(body, want) {
		t.Errorf("no %q", want)
	}
	if want := fmt.Sprintf("%d of %d znodes are shown", maxRows, 3*maxRows); !strings.Contains(body, want) {
		t.Errorf("no %q", want)
	}
	for query, want := range map[string]int{"l1499": 1, "OWNER-0": 1, "lock.locks/l000": 10, "nobody": 0} {
		_, body := ask(h, "/now?q="+query)
		if got := strings.Count(body, "<code><bdi>/locks/"); got != want {
			t.Errorf("%q finds %d, want %d", query, got, want)
		}
	}
}

// Whoever may take a lock writes into its contender what they like.
func TestWhatContendersSayIsBounded(t *testing.T) {
	n := lockNode("main", "/a", 3)
	for i := range n.Lock.Queue.Contenders {
		c := &n.Lock.Queue.Contenders[i]
		c.Owner, c.Host = strings.Repeat("ä", 1<<19), strings.Repeat("h", 1<<19)
	}
	n.Lock.Queue.Contenders[0].Since = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	n.Lock.Queue.Contenders[1].Since = time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)
	_, body := ask(open(t, one(n)), "/now")
	if len(body) > 10_000 {
		t.Errorf("the page has %d bytes", len(body))
	}
	for _, want := range []string{"ä…</bdi>", "h…:1</bdi>", "since 9999-01-01 00:00:00</span>", "since 0001-01-01 00:00:01</span>"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q", want)
		}
	}
}

// An ensemble that says nothing does not keep others from being seen, nor their
// figures from being given. The time is that of the test alone.
func TestAMuteEnsembleHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one(lockNode("main", "/a", 1))
		f.names, f.mute = append(f.names, "dr"), map[string]chan struct{}{"dr": make(chan struct{})}
		f.queues["dr"] = Queues{Nodes: []Node{lockNode("dr", "/b", 1)}}
		h := open(t, f)
		see := func(what string, limit time.Duration, main, dr time.Duration) {
			t.Helper()
			began := time.Now()
			s := h.see(t.Context())
			if got := time.Since(began); got > limit {
				t.Errorf("%s: a request takes %s, want %s at most", what, got, limit)
			}
			for i, want := range []time.Duration{main, dr} {
				e := &s.Queues[i]
				if got := began.Sub(e.At); want < 0 && e.read() || want >= 0 && (!e.read() || got > want) {
					t.Errorf("%s: %s was read: %v, %s ago, with %d problems; want %s", what, e.Name, e.read(), got, len(e.Problems), want)
				}
			}
		}
		const never = -1
		see("the first", firstPatience, 0, never)
		time.Sleep(2 * time.Second)
		see("the second", 0, 0, never)
		time.Sleep(lookLimit)
		see("after a look that failed", patience, 0, never)
		_, page := ask(h, "/now")
		_, metrics := ask(h, "/metrics")
		for _, want := range []string{"<bdi>/a</bdi>", "Error: context deadline exceeded"} {
			if !strings.Contains(page, want) {
				t.Errorf("no %q in\n%s", want, page)
			}
		}
		if want := `lockform_ensemble_locks{ensemble="main"} 1`; !strings.Contains(metrics, want) || strings.Contains(metrics, `_locks{ensemble="dr"}`) {
			t.Errorf("no %q, or figures of dr, in\n%s", want, metrics)
		}
		close(f.mute["dr"])
		time.Sleep(2 * time.Second)
		see("when it answers again", 0, 0, 5*time.Second)
	})
}

// Whoever waits for a look may go away; the look goes on, and what it sees is
// there for others.
func TestWhoGoesAwayEndsNoLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one()
		f.mute = map[string]chan struct{}{"main": make(chan struct{})}
		h := open(t, f)
		gone, leave := context.WithCancel(t.Context())
		leave()
		if s := h.see(gone); s.Queues[0].read() {
			t.Errorf("got %+v", s)
		}
		close(f.mute["main"])
		if s := h.see(t.Context()); !s.Queues[0].read() || f.looks.Load() != 1 {
			t.Errorf("got %+v after %d looks", s, f.looks.Load())
		}
	})
}

func TestTheEndOfTheBaseEndsLooksAndRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one()
		f.mute = map[string]chan struct{}{"main": make(chan struct{})}
		base, cancel := context.WithCancel(t.Context())
		h := New(base, f, "127.0.0.1:0", loopback)
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { h.see(t.Context()) })
		synctest.Wait()
		cancel()
		h.Close()
		h.see(t.Context()) // and begins no look
		wg.Wait()
		if took := time.Since(began); took != 0 || f.looks.Load() != 1 {
			t.Errorf("it took %s, %d looks", took, f.looks.Load())
		}
	})
}

// The golden files show two ensembles, of which one cannot be read.
func TestPageAndMetrics(t *testing.T) {
	bad := "<b>\u202e\"'&"
	a, b := lockNode("main", "/locks/a", 3), lockNode("main", "/locks/b", 1)
	a.Lock.Queue.Contenders[1].Owner, a.Lock.Queue.Contenders[2].Foreign = bad, true
	down := plan.Problem{Summary: `Cannot connect to the ensemble "dr"`, Detail: "Nobody is there.\nStart it.", Pos: layout.Pos{File: "locks.hcl", Line: 3}}
	f := &fake{
		names: []string{"dr", "main"},
		queues: map[string]Queues{
			"main": {Nodes: []Node{
				{"main", layout.KindNamespace, "namespace.locks", "/locks", nil}, a, b,
				{"main", layout.KindLock, "lock.gone", "/locks/gone", &live.Lock{Queue: live.Queue{Queue: lock.Queue{Path: "/locks/gone", Absent: true}}}},
			}},
			"dr": {Problems: []plan.Problem{down}},
		},
		survey: Survey{
			Layout: "platform",
			Report: &doctor.Report{
				Ensembles: []doctor.Ensemble{
					{Name: "dr", Servers: []doctor.Server{{Address: "dr:2181", Latency: doctor.Latency{Min: -1, Avg: -1, Max: -1}, Outstanding: -1, Connections: -1}}},
					{Name: "main", Quorum: true, Locks: 3, Servers: []doctor.Server{{Address: "zk:2181", Reachable: true, Serving: true, Mode: "leader", Version: "3.8.4", Latency: doctor.Latency{Min: 0, Avg: 0.5, Max: 12}, Outstanding: 2, Connections: 5}}},
				},
				Findings: []doctor.Finding{
					{Severity: doctor.Error, Check: "quorum", Ensemble: "dr", Summary: "No server can be reached", Remedy: "Start one."},
					{Severity: doctor.Warning, Check: "open_acl", Ensemble: "main", Summary: "Everyone has create on " + bad},
				},
			},
			Runs: []Run{
				{Ensemble: "main", Serial: 2, Started: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), By: "bob@h", Commit: "-", Plan: "abc", Result: "unfinished: batch 1 of 2"},
				{Ensemble: "main", Serial: 1, Started: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), By: "bob@h", Commit: "-", Plan: "abd", Result: "3 created", Done: true},
			},
			Problems: []plan.Problem{down, {Warning: true, Summary: "Open ACL"}},
		},
	}
	h := open(t, f)
	still, never := time.Date(2026, 1, 1, 0, 5, 0, 0, time.UTC), time.Now().Add(time.Hour)
	for _, name := range f.names {
		l := h.ensemble(name)
		l.value, l.at, l.next = f.queues[name], still, never
	}
	h.survey.value, h.survey.at, h.survey.next = newPlanned(f.survey), still, never
	_, body := ask(h, "/?q=o")
	golden.Assert(t, body, "page.html")
	_, body = ask(h, "/metrics")
	golden.Assert(t, strings.ReplaceAll(body, zkfs.Version(), "VERSION"), "metrics.txt")
}

func TestAPlanIsShownByItsSigns(t *testing.T) {
	for text, want := range map[string]string{
		"  + lock.a (/a): create lock": "add", "      acl: + digest:app crd": "plain", "  - lock.a (/a): delete": "remove",
		"  ~ lock.a": "change", "  > lock.a": "change", "  ! lock.a (/a): held": "remove", "": "plain", "Plan: 1 to create": "plain",
	} {
		if got := class(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// A semaphore has as many holders as it has permits, and a date is what somebody
// wrote.
func TestManyHoldersAndImpossibleDatesAreBounded(t *testing.T) {
	n := lockNode("main", "/a", 3*maxPeople)
	cs := n.Lock.Queue.Contenders
	for i := range cs {
		cs[i].Holds = true
	}
	cs[len(cs)-1].Holds, cs[len(cs)-1].Since = false, time.Time{}.Add(time.Second)
	h := open(t, one(n))
	_, body := ask(h, "/now")
	if want := fmt.Sprintf("and %d more", 2*maxPeople-1); !strings.Contains(body, want) {
		t.Errorf("no %q in\n%s", want, body)
	}
	if _, body = ask(h, "/metrics"); !strings.Contains(body, `lockform_ensemble_longest_wait_seconds{ensemble="main"} 0`) {
		t.Errorf("got %s", body)
	}
}
