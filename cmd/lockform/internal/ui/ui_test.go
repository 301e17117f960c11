package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
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
	mu     sync.Mutex
	queues Queues
	survey Survey
	looks  atomic.Int64
	block  chan struct{} // Queues waits for it, or for the end of its context
}

func (f *fake) Queues(ctx context.Context) Queues {
	f.looks.Add(1)
	if f.block != nil {
		select {
		case <-f.block:
		case <-ctx.Done():
			return Queues{Problems: []plan.Problem{{Summary: ctx.Err().Error()}}}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queues
}

func (f *fake) Survey(context.Context) Survey {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.survey
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
	for _, tt := range []struct {
		listen, host string
		want         int
	}{
		{"127.0.0.1:8370", "127.0.0.1:8370", 200},
		{"127.0.0.1:8370", "localhost:8370", 200},
		{"127.0.0.1:8370", "LOCALHOST", 200},
		{"127.0.0.1:8370", "[::1]:8370", 200},
		{"[::1]:8370", "[::1]", 200},
		{"localhost:8370", "127.0.0.1", 200},
		{"127.0.0.1:8370", "evil.example", 421},
		{"127.0.0.1:8370", "evil.example:8370", 421},
		{"127.0.0.1:8370", "127.0.0.1.evil.example", 421},
		{"127.0.0.1:8370", "", 421},
		{"localhost:8370", "evil.example", 421},
		{"0.0.0.0:8370", "locks.example", 200},
		{":8370", "locks.example", 200},
		{"10.0.0.1:8370", "locks.example", 200},
	} {
		h := New(t.Context(), &fake{}, tt.listen)
		r := httptest.NewRequest(http.MethodGet, "http://x/", nil)
		r.Host = tt.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("listening on %s, Host %q: got %d, want %d", tt.listen, tt.host, w.Code, tt.want)
		}
	}
}

func TestAPageThatHasNotChangedIsNotSentAgain(t *testing.T) {
	f := &fake{queues: Queues{Ensembles: []string{"default"}, Nodes: []Node{lockNode("default", "/a", 1)}}}
	h := New(t.Context(), f, "127.0.0.1:0")
	h.queues.every, h.survey.every = time.Hour, time.Hour
	first, body := ask(h, "/now")
	tag := first.Header.Get("ETag")
	if tag == "" || !strings.Contains(body, "owner-0") {
		t.Fatalf("tag %q, body:\n%s", tag, body)
	}
	if again, body := ask(h, "/now", "If-None-Match", tag); again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("got %d, %q", again.StatusCode, body)
	}
	h.queues.every = 0
	h.queues.took = 0
	f.mu.Lock()
	f.queues.Nodes = []Node{lockNode("default", "/a", 2)}
	f.mu.Unlock()
	if again, body := ask(h, "/now", "If-None-Match", tag); again.StatusCode != http.StatusOK || !strings.Contains(body, "owner-1") {
		t.Errorf("got %d, %q", again.StatusCode, body)
	}
}

func TestEverythingIsBounded(t *testing.T) {
	q := Queues{Ensembles: []string{"default"}}
	for i := range 3 * maxRows {
		n := 0
		if i == 2*maxRows {
			n = 3 * maxWaiters
		}
		q.Nodes = append(q.Nodes, lockNode("default", fmt.Sprintf("/locks/l%04d", i), n))
	}
	h := New(t.Context(), &fake{queues: q}, "127.0.0.1:0")
	_, body := ask(h, "/now")
	if got := strings.Count(body, "<code><bdi>/locks/"); got != maxRows {
		t.Errorf("%d rows, want %d", got, maxRows)
	}
	busy := fmt.Sprintf("/locks/l%04d", 2*maxRows)
	if !strings.Contains(body, busy) {
		t.Errorf("the lock in use is not among them")
	}
	if want := fmt.Sprintf("and %d more", 3*maxWaiters-1-maxWaiters); !strings.Contains(body, want) {
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

// Whoever waits for somebody else's look may go away; the look goes on, and what
// it sees is there for others.
func TestWhoGoesAwayDoesNotHoldOthersUp(t *testing.T) {
	f := &fake{block: make(chan struct{})}
	l := newLook(time.Hour, time.Minute, f.Queues)
	base, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { l.get(base, base) })
	for len(l.turn) == 0 { // until it looks
		time.Sleep(time.Millisecond)
	}
	gone, leave := context.WithCancelCause(context.Background())
	away := errors.New("went away")
	leave(away)
	if _, _, err := l.get(gone, base); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
	close(f.block)
	if _, at, err := l.get(base, base); err != nil || at.IsZero() {
		t.Errorf("got %v, %v", at, err)
	}
	if n := f.looks.Load(); n != 1 {
		t.Errorf("%d looks", n)
	}
}

func TestTheEndOfTheBaseEndsALook(t *testing.T) {
	base, cancel := context.WithCancel(context.Background())
	cancel()
	l := newLook(0, time.Minute, (&fake{block: make(chan struct{})}).Queues)
	q, _, err := l.get(context.Background(), base)
	if err != nil || len(q.Problems) != 1 {
		t.Errorf("got %+v, %v", q, err)
	}
}

// The golden files show two ensembles, of which one cannot be read.
func TestPageAndMetrics(t *testing.T) {
	bad := "<b>\u202e\"'&"
	a, b := lockNode("main", "/locks/a", 3), lockNode("main", "/locks/b", 1)
	a.Lock.Queue.Contenders[1].Owner, a.Lock.Queue.Contenders[2].Foreign = bad, true
	f := &fake{
		queues: Queues{
			Ensembles: []string{"main"},
			Nodes: []Node{
				{"main", layout.KindNamespace, "namespace.locks", "/locks", nil}, a, b,
				{"main", layout.KindLock, "lock.gone", "/locks/gone", &live.Lock{Queue: live.Queue{Queue: lock.Queue{Path: "/locks/gone", Absent: true}}}},
			},
			Problems: []plan.Problem{{Summary: `Cannot connect to the ensemble "dr"`, Detail: "Nobody is there.\nStart it.", Pos: layout.Pos{File: "locks.hcl", Line: 3}}},
		},
		survey: Survey{
			Layout: "platform",
			Report: doctor.Report{
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
			Problems: []plan.Problem{{Summary: `Cannot connect to the ensemble "dr"`, Detail: "Nobody is there.\nStart it.", Pos: layout.Pos{File: "locks.hcl", Line: 3}}, {Warning: true, Summary: "Open ACL"}},
		},
	}
	h := New(t.Context(), f, "127.0.0.1:0")
	still := time.Date(2026, 1, 1, 0, 5, 0, 0, time.UTC)
	queues, survey := f.queues, newPlanned(f.survey)
	h.queues.value, h.queues.at, h.queues.every = queues, still, 1<<62
	h.survey.value, h.survey.at, h.survey.every = survey, still, 1<<62
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
