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
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// A mix is several clients that take one lock again and again.
type mix struct {
	name string
	ours []side
	they []string
	// strangers: the others do not all see each other, only us.
	strangers bool
	// foreign: they see us, which their names do not tell.
	foreign bool
}

var mixes = []mix{
	{name: "curator", ours: []side{curator, curator, curator}, they: []string{"curator mutex", "curator mutex", "go lock"}},
	{name: "curator and write lock", ours: []side{curator, curator, curator}, they: []string{"zookeeper recipe", "zookeeper recipe"}},
	{name: "curator and kazoo with extra patterns", ours: []side{curator, curator}, they: []string{"kazoo extra", "kazoo extra"}, foreign: true},
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
// up early, so that places in the middle of the queue are left. On the embedded
// server our connections are cut again and again meanwhile.
func TestMixedLoops(t *testing.T) {
	others := startPeers(t)
	for _, m := range mixes {
		t.Run(m.name, func(t *testing.T) {
			zktest.Each(t, func(t *testing.T, e *zktest.Env) {
				q := newQueue(t, e, m.ours[0])
				const inside = zkfs.Path("/inside")
				q.create(t, inside, nil)
				d := &detector{strangers: m.strangers}

				var they []*turn
				for _, kind := range m.they {
					they = append(they, others.command(t, "loop", kind, e.Servers, q.path.String(), strconv.Itoa(rounds), inside.String()))
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
				defer cancel()
				var we sync.WaitGroup
				var sessions []int64
				for i, s := range m.ours {
					c := open(t, e)
					session, err := c.Session(ctx)
					if err != nil {
						t.Fatal(err)
					}
					sessions = append(sessions, session.ID())
					l := &looper{c, session, q.path, s, fmt.Sprintf("ours-%d", i), inside, d, m.foreign}
					we.Go(func() {
						if err := l.loop(ctx); err != nil {
							t.Errorf("%s: %v", s.name, err)
						}
					})
				}
				stop := cut(e, sessions)
				we.Wait()
				stop()
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

// cut closes one of the connections every few milliseconds, until it is
// stopped. The real server cannot be told to.
func cut(e *zktest.Env, sessions []int64) (stop func()) {
	if e.Dev == nil {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			case <-time.After(15 * time.Millisecond):
				e.Dev.CloseConnection(sessions[i%len(sessions)])
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// A looper does what testdata/locks.py does, with a lock of ours.
type looper struct {
	c       *lock.Client
	session *zkconn.Session
	path    zkfs.Path
	side    side
	id      string
	inside  zkfs.Path
	d       *detector
	foreign bool
}

func (l *looper) loop(ctx context.Context) error {
	o := lock.Options{Shared: l.side.shared, AllowForeign: l.foreign}
	for i := range rounds {
		if i%3 == 1 {
			short := o
			short.Wait = lock.WaitFor(3 * time.Millisecond)
			h, err := l.c.Acquire(ctx, l.path, short)
			if err == nil {
				err = h.Release(ctx)
			}
			if err != nil && !errors.Is(err, lock.ErrNotAcquired) {
				return err
			}
		}
		h, err := l.c.Acquire(ctx, l.path, o)
		if err != nil {
			return err
		}
		if err := l.look(ctx, h); err != nil {
			return err
		}
		if h.Context().Err() != nil {
			return context.Cause(h.Context())
		}
		if err := h.Release(ctx); err != nil {
			return err
		}
	}
	return nil
}

// look writes our name into the list, looks who else is there, and takes it
// away again. What a cut makes uncertain is done again.
func (l *looper) look(ctx context.Context, h *lock.Held) error {
	own := l.inside.Join("exclusive-" + l.id)
	if l.side.shared {
		own = l.inside.Join("shared-" + l.id)
	} else {
		l.d.token(h.Token())
	}
	for {
		_, err := l.session.Create(ctx, own, nil, zkfs.Open(), zkfs.Persistent)
		if err == nil || errors.Is(err, zkfs.ErrNodeExists) {
			break
		} else if !cutOff(err) {
			return err
		}
	}
	for {
		others, _, err := l.session.Children(ctx, l.inside)
		if err == nil {
			l.d.beside(own.Base(), slices.DeleteFunc(others, func(n string) bool { return n == own.Base() }))
			break
		} else if !cutOff(err) {
			return err
		}
	}
	for {
		err := l.session.Delete(ctx, own, zkfs.AnyVersion)
		if err == nil || errors.Is(err, zkfs.ErrNoNode) {
			return nil
		} else if !cutOff(err) {
			return err
		}
	}
}

func cutOff(err error) bool {
	return errors.Is(err, zkfs.ErrOutcomeUnknown) || errors.Is(err, zkfs.ErrUnavailable)
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
				q := newQueue(t, e, we)
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
						Wait: lock.WaitFor(wait), OnQueued: func(q lock.Queued) { queued <- q },
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
