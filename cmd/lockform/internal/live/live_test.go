package live

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
	"pgregory.net/rapid"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// queue makes the queue of a lock: holders first.
func queue(path zkfs.Path, cs ...lock.Contender) Lock {
	p := layout.DefaultPolicy()
	return Lock{Queue: Queue{lock.Queue{Path: path, Policy: &p, Contenders: cs}}}
}

func holds(owner string) lock.Contender {
	return lock.Contender{Owner: owner, Holds: true, Mode: "exclusive"}
}
func waits(owner string) lock.Contender { return lock.Contender{Owner: owner, Mode: "exclusive"} }

func TestDeadlocks(t *testing.T) {
	shared := func(c lock.Contender) lock.Contender { c.Mode = "shared"; return c }
	session := func(id int64, holds bool) lock.Contender {
		return lock.Contender{Session: id, Holds: holds, Mode: "exclusive"}
	}
	semaphore := func(l Lock) Lock { l.Queue.Policy.Mode = layout.Semaphore; return l }
	tests := map[string]struct {
		locks []Lock
		want  []Deadlock
	}{
		"NobodyWaits": {[]Lock{queue("/a", holds("x")), queue("/b", holds("y"))}, nil},
		"OneWaits":    {[]Lock{queue("/a", holds("x"), waits("y")), queue("/b", holds("y"))}, nil},
		"TwoWaitForEachOther": {
			[]Lock{queue("/a", holds("x"), waits("y")), queue("/b", holds("y"), waits("x"))},
			[]Deadlock{{[]string{"x", "y"}, []string{"/b", "/a"}}},
		},
		"ThreeInARing": {
			[]Lock{queue("/a", holds("c"), waits("b")), queue("/b", holds("a"), waits("c")), queue("/c", holds("b"), waits("a"))},
			[]Deadlock{{[]string{"a", "b", "c"}, []string{"/c", "/a", "/b"}}},
		},
		"ThroughAWaiterThatStandsBefore": {
			[]Lock{queue("/a", holds("x"), waits("y"), waits("z")), queue("/b", holds("z"), waits("y"))},
			[]Deadlock{{[]string{"y", "z"}, []string{"/b", "/a"}}},
		},
		"TheSameOwnerTwiceIsNoRing":  {[]Lock{queue("/a", holds("x"), waits("x"))}, nil},
		"ReadersDoNotWaitForReaders": {[]Lock{queue("/a", shared(holds("x")), shared(waits("y"))), queue("/b", holds("y"), waits("x"))}, nil},
		"ReaderBehindAWriter": {
			[]Lock{queue("/a", holds("x"), shared(waits("y"))), queue("/b", holds("y"), waits("x"))},
			[]Deadlock{{[]string{"x", "y"}, []string{"/b", "/a"}}},
		},
		"BySessionWhereThereIsNoName": {
			[]Lock{queue("/a", session(16, true), session(17, false)), queue("/b", session(17, true), session(16, false))},
			[]Deadlock{{[]string{"session 0x10", "session 0x11"}, []string{"/b", "/a"}}},
		},
		"TwoRings": {
			[]Lock{
				queue("/a", holds("x"), waits("y")), queue("/b", holds("y"), waits("x")),
				queue("/c", holds("p"), waits("q")), queue("/d", holds("q"), waits("p")),
			},
			[]Deadlock{{[]string{"p", "q"}, []string{"/d", "/c"}}, {[]string{"x", "y"}, []string{"/b", "/a"}}},
		},
		"ThroughItsOwnHold": {
			[]Lock{queue("/a", holds("x"), waits("y"), waits("x"))},
			[]Deadlock{{[]string{"x", "y"}, []string{"/a", "/a"}}},
		},
		"APermitMayBecomeFree": {[]Lock{semaphore(queue("/a", holds("x"), waits("y"))), queue("/b", holds("y"), waits("x"))}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(Deadlocks(tt.locks), tt.want); d != "" {
				t.Errorf("got (-), want (+):\n%s", d)
			}
		})
	}
}

// Random queues against the plain rule: a ring is told of where there is one and
// nowhere else, each is one, and no holder in a ring is left out.
func TestDeadlocksOfRandomQueues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var locks []Lock
		for i := range rapid.IntRange(1, 5).Draw(t, "locks") {
			var cs []lock.Contender
			for j := range rapid.IntRange(0, 6).Draw(t, "contenders") {
				c := lock.Contender{Owner: string(rune('a' + rapid.IntRange(0, 6).Draw(t, "owner"))), Mode: "exclusive", Holds: j == 0}
				if rapid.IntRange(0, 2).Draw(t, "shared") == 0 {
					c.Mode = "shared"
				}
				cs = append(cs, c)
			}
			locks = append(locks, queue(zkfs.Path(fmt.Sprintf("/l%d", i)), cs...))
		}
		type wait struct{ from, to, path string }
		direct, reach := map[wait]bool{}, map[[2]string]bool{}
		for _, l := range locks {
			for i, c := range l.Queue.Contenders {
				for _, before := range l.Queue.Contenders[:i] {
					if !c.Holds && c.Owner != before.Owner && (c.Mode != "shared" || before.Mode != "shared") {
						direct[wait{c.Owner, before.Owner, l.Name()}], reach[[2]string{c.Owner, before.Owner}] = true, true
					}
				}
			}
		}
		owners := strings.Split("a b c d e f g", " ")
		for _, k := range owners {
			for _, i := range owners {
				for _, j := range owners {
					if reach[[2]string{i, k}] && reach[[2]string{k, j}] {
						reach[[2]string{i, j}] = true
					}
				}
			}
		}
		got, told := Deadlocks(locks), map[string]bool{}
		for _, d := range got {
			for i, o := range d.Owners {
				told[o] = true
				if w := (wait{o, d.Owners[(i+1)%len(d.Owners)], d.Paths[i]}); !direct[w] {
					t.Errorf("%v: nobody waits so: %v", d, w)
				}
			}
		}
		for _, o := range owners {
			holds := slices.ContainsFunc(locks, func(l Lock) bool {
				return slices.ContainsFunc(l.Queue.Contenders, func(c lock.Contender) bool { return c.Holds && c.Owner == o })
			})
			tied := slices.ContainsFunc(owners, func(k string) bool { return told[k] && reach[[2]string{o, k}] && reach[[2]string{k, o}] })
			if ring := reach[[2]string{o, o}]; ring && !tied || told[o] && !ring || ring && holds && !told[o] {
				t.Errorf("owner %s is in a ring: %v, told of: %v; got %v", o, ring, told[o], got)
			}
		}
	})
}

// A queue of many waiters is looked through in one go: to follow everybody who
// waits for everybody would never end.
func TestDeadlocksBehindALongQueue(t *testing.T) {
	long := []lock.Contender{holds("x")}
	for i := range 200_000 {
		long = append(long, waits(fmt.Sprintf("w%d", i)))
	}
	got := Deadlocks([]Lock{queue("/a", append(long, waits("y"))...), queue("/b", holds("y"), waits("x"))})
	if want := []Deadlock{{[]string{"x", "y"}, []string{"/b", "/a"}}}; !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDeadlocksAreBounded(t *testing.T) {
	var locks []Lock
	for i := range 2 * maxRings {
		a, b := fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i)
		locks = append(locks, queue(zkfs.Path("/"+a), holds(a), waits(b)), queue(zkfs.Path("/"+b), holds(b), waits(a)))
	}
	if got := len(Deadlocks(locks)); got != maxRings {
		t.Errorf("%d rings, want %d", got, maxRings)
	}
}

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// sample has one of everything that is shown.
func sample() []Lock {
	p := layout.DefaultPolicy()
	p.WaitTimeout, p.MaxHold = time.Minute, time.Hour
	held := Lock{Ensemble: "main", Address: "namespace.jobs.lock.a", Queue: Queue{lock.Queue{
		Path: "/jobs/a", Policy: &p,
		Contenders: []lock.Contender{
			{
				Name: "_c_1-lock-0000000001", Node: "/jobs/a/_c_1-lock-0000000001", Holds: true, Mode: "exclusive", Client: "curator", Sequence: 1,
				Token: 77, Session: 255, Lockform: true, Owner: "alice@h1:12", Host: "h1", PID: 12, Since: noon.Add(-2 * time.Hour),
			},
			{
				Name: "_c_2-lock-0000000002", Node: "/jobs/a/_c_2-lock-0000000002", Mode: "exclusive", Client: "curator", Sequence: 2,
				Token: 78, Session: 256, Lockform: true, Owner: "bob@h2:9", Host: "h2", PID: 9, Since: noon.Add(-90 * time.Second),
			},
			{Name: "x__lock__0000000003", Node: "/jobs/a/x__lock__0000000003", Mode: "exclusive", Client: "kazoo", Sequence: 3, Token: 79, Session: 257, Foreign: true, Data: []byte("nightly")},
		},
		Unknown: []string{"stray"},
	}}}
	free := Lock{Address: "lock.free", Queue: Queue{lock.Queue{Path: "/free", Policy: &p}}}
	undeclared := Lock{Queue: Queue{lock.Queue{Path: "/other", PolicyErr: layout.ErrNotManaged}}}
	absent := Lock{Queue: Queue{lock.Queue{Path: "/absent", Absent: true}}}
	denied := Lock{Queue: Queue{lock.Queue{Path: "/denied", Policy: &p, Denied: true}}}
	return []Lock{held, free, undeclared, absent, denied}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	ring := []Lock{queue("/r", holds("alice"), waits("bob")), queue("/s", holds("bob"), waits("alice"))}
	if err := Text(&b, append(sample(), ring...), noon); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, b.String(), "locks.txt")
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, sample(), noon); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, b.String(), "locks.json")
	var line bytes.Buffer
	if err := Line(&line, sample(), noon); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(line.Bytes(), []byte("\n")); n != 1 {
		t.Errorf("got %d lines, want 1", n)
	}
}
