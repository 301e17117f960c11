package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// A mix is several clients that take one lock again and again.
type mix struct {
	name string
	ours []side
	they []string
	// strangers: the others do not all see each other, only us.
	strangers bool
}

var mixes = []mix{
	{name: "curator", ours: []side{curator, curator, curator}, they: []string{"curator mutex", "curator mutex", "go lock"}},
	{name: "curator and write lock", ours: []side{curator, curator, curator}, they: []string{"zookeeper recipe", "zookeeper recipe"}},
	{name: "curator read_write", ours: []side{curatorWriter, curatorReader, curatorReader},
		they: []string{"curator write", "curator read", "curator read"}},
	// kazoo 2.8.0's readers have no place here: they and later writers wait for
	// each other.
	{name: "kazoo", ours: []side{kazoo, kazoo, kazoo}, they: []string{"kazoo lock", "kazoo lock", "kazoo write"}},
	{name: "kazoo read_write", ours: []side{kazooWriter, kazooReader, kazooReader}, they: []string{"kazoo write", "kazoo write"}},
	{name: "bridge", ours: []side{bridge, bridge}, strangers: true,
		they: []string{"kazoo lock", "kazoo lock", "curator mutex", "curator mutex", "curator write", "go lock"}},
	// zk.Lock fails on the names of the recipe's WriteLock.
	{name: "bridge and write lock", ours: []side{bridge, bridge}, strangers: true,
		they: []string{"kazoo lock", "curator mutex", "zookeeper recipe", "zookeeper recipe"}},
	{name: "bridge read_write", ours: []side{bridgeWriter, bridgeReader}, strangers: true,
		they: []string{"kazoo write", "curator write", "curator read", "go lock"}},
	{name: "plain lock_id_", ours: []side{plainLockID, plainLockID}, they: []string{"script children", "script children"}},
	{name: "plain seq-", ours: []side{plainSeq, plainSeq}, they: []string{"script get", "script get"}},
	{name: "plain lockid", ours: []side{plainLockid, plainLockid}, they: []string{"script exists", "script exists"}},
}

// rounds is how often each client of a mix takes the lock.
const rounds = 12

// TestMixedLoops has all clients of a mix take and give the lock at the same
// time. Each holder writes its name into a list and looks whom it finds there:
// of two that overlap, one finds the other. Every third attempt of ours gives
// up early, so that places in the middle of the queue are left.
func TestMixedLoops(t *testing.T) {
	others := startPeers(t)
	for _, m := range mixes {
		t.Run(m.name, func(t *testing.T) {
			zktest.Each(t, func(t *testing.T, e *zktest.Env) {
				q := newQueue(t, e, m.ours[0].path)
				const inside = zkfs.Path("/inside")
				q.mkdir(t, inside)
				d := &detector{strangers: m.strangers}

				var they []*turn
				for _, kind := range m.they {
					they = append(they, others.command(t, "loop", kind, e.Servers, q.path.String(), strconv.Itoa(rounds), inside.String()))
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
				defer cancel()
				var we sync.WaitGroup
				for i, s := range m.ours {
					c := open(t, e)
					we.Go(func() {
						if err := loop(ctx, c, q.path, s, fmt.Sprintf("ours-%d", i), inside, d); err != nil {
							t.Errorf("%s: %v", s.name, err)
						}
					})
				}
				we.Wait()
				for _, tn := range they {
					for said := tn.next(t); said != "done"; said = tn.next(t) {
						switch w := strings.Fields(said); w[0] {
						case "beside":
							d.beside(w[1], w[2:])
						case "waits":
						default:
							t.Fatalf("%s: %s", tn.kind, said)
						}
					}
				}
				d.report(t)
				q.empty(t)
			})
		})
	}
}

// loop is what testdata/locks.py does, with a lock of ours.
func loop(ctx context.Context, c *lock.Client, path zkfs.Path, s side, id string, inside zkfs.Path, d *detector) error {
	mode := "exclusive"
	if s.shared {
		mode = "shared"
	}
	own := inside.Join(mode + "-" + id)
	for i := 0; i < rounds; i++ {
		if i%3 == 1 {
			h, err := c.Acquire(ctx, path, lock.Options{Policy: s.policy, Shared: s.shared, Wait: lock.WaitFor(3 * time.Millisecond)})
			if err == nil {
				err = h.Release(ctx)
			}
			if err != nil && !errors.Is(err, lock.ErrNotAcquired) {
				return err
			}
		}
		h, err := c.Acquire(ctx, path, lock.Options{Policy: s.policy, Shared: s.shared})
		if err != nil {
			return err
		}
		if !s.shared {
			d.token(h.Token())
		}
		session, err := c.Session(ctx)
		if err != nil {
			return err
		}
		if _, err := session.Create(ctx, own, nil, zkfs.Open(), zkfs.Persistent); err != nil {
			return err
		}
		others, _, err := session.Children(ctx, inside)
		if err != nil {
			return err
		}
		d.beside(own.Base(), slices.DeleteFunc(others, func(n string) bool { return n == own.Base() }))
		if err := session.Delete(ctx, own, zkfs.AnyVersion); err != nil {
			return err
		}
		if err := h.Context().Err(); err != nil {
			return context.Cause(h.Context())
		}
		if err := h.Release(ctx); err != nil {
			return err
		}
	}
	return nil
}

// A detector judges what holders found beside themselves. Its methods are safe
// for concurrent use.
type detector struct {
	strangers bool // see mix

	mu     sync.Mutex
	faults []string
	last   int64 // the highest exclusive token of ours
	tokens int
}

// beside is told the names that a holder found in the list. A name is a mode, a
// family and an ID.
func (d *detector) beside(own string, others []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	mode, family := split(own)
	for _, other := range others {
		m, f := split(other)
		switch {
		case mode == "shared" && m == "shared":
		case d.strangers && family != f && family != "ours" && f != "ours":
		default:
			d.faults = append(d.faults, own+" beside "+other)
		}
	}
}

func split(name string) (mode, family string) {
	mode, rest, _ := strings.Cut(name, "-")
	family, _, _ = strings.Cut(rest, "-")
	return mode, family
}

// token is told the token of each exclusive hold of ours while it holds.
func (d *detector) token(token int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tokens++
	if token <= d.last {
		d.faults = append(d.faults, fmt.Sprintf("token %d after %d", token, d.last))
	}
	d.last = token
}

func (d *detector) report(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.faults {
		t.Error(f)
	}
	if d.tokens == 0 {
		t.Error("we have never held it exclusively")
	}
}

// TestKazooReaderAndLaterWriter is kazoo #649: a reader of kazoo 2.8.0 waits for
// writers behind it as well, which wait for it. Our writer is bound by its time
// and leaves nothing, and then the reader gets the lock.
func TestKazooReaderAndLaterWriter(t *testing.T) {
	others := startPeers(t)
	for _, we := range []side{kazooWriter, kazoo, bridge, bridgeWriter} {
		t.Run(we.name, func(t *testing.T) {
			zktest.Each(t, func(t *testing.T, e *zktest.Env) {
				q := newQueue(t, e, we.path)
				first := q.ask(t, open(t, e), we, false)
				first.holds(t)
				reader := q.take(t, others, "kazoo read")
				q.waits(t, reader)

				const wait = 2 * time.Second
				began, failed := time.Now(), make(chan error, 1)
				second := open(t, e)
				queued := make(chan lock.Queued, 8)
				go func() {
					h, err := second.Acquire(context.WithoutCancel(t.Context()), q.path, lock.Options{
						Policy: we.policy, Wait: lock.WaitFor(wait), OnQueued: func(q lock.Queued) { queued <- q },
					})
					if err == nil {
						err = errors.Join(errors.New("it holds"), h.Release(context.Background()))
					}
					failed <- err
				}()
				select {
				case <-queued:
				case err := <-failed:
					t.Fatalf("the second writer ended with %v", err)
				}
				first.gives(t)
				err := <-failed
				took := time.Since(began)
				if errors.Is(err, lock.ErrNotAcquired) {
					if took > wait+time.Second {
						t.Errorf("it took %s to time out after %s", took, wait)
					}
				} else {
					t.Errorf("got %v, want that it is not acquired", err)
				}
				reader.holds(t)
				if names := q.names(t); len(names) != 1 {
					t.Errorf("in the queue are %q, want the reader alone", names)
				}
				reader.gives(t)
				q.empty(t)
			})
		})
	}
}
