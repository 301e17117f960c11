package interop

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// A driver takes locks as it is told line by line; testdata/locks.py says how.
type driver interface {
	Send(t testing.TB, line string)
	Next(t testing.TB) string
	Silent() bool
}

// peers are the programs that take the locks of others. One of each serves all
// tests of its test function: a JVM takes its time to start.
type peers struct {
	drivers map[string]driver
	said    map[string][]string // what was read and not asked for yet, by ID
	ids     int
}

// kinds says which program takes which lock.
var kinds = map[string]string{
	"kazoo lock": "python", "kazoo extra": "python", "kazoo read": "python", "kazoo write": "python",
	"script children": "python", "script get": "python", "script exists": "python",
	"curator mutex": "java", "curator read": "java", "curator write": "java", "curator semaphore": "java",
	"zookeeper recipe": "java",
	"go lock":          "go",
}

func startPeers(t *testing.T) *peers {
	p := &peers{said: make(map[string][]string), drivers: map[string]driver{
		"python": zktest.Kazoo(t, "testdata/locks.py"),
		"java":   zktest.Java(t, "testdata/Locks.java"),
		"go":     newGoDriver(t),
	}}
	for _, d := range p.drivers {
		if got := d.Next(t); got != "ready" {
			t.Fatalf("a driver printed %q at first", got)
		}
	}
	return p
}

// A turn is one lock that a peer takes, or a loop of them.
type turn struct {
	p      *peers
	driver driver
	id     string
	kind   string
	name   string // of its contender, once it is known
}

// command sends a command with an ID of its own. The kind's first word is the
// family, the second what the driver calls it.
func (p *peers) command(t *testing.T, command, kind string, args ...string) *turn {
	t.Helper()
	p.ids++
	tn := &turn{p: p, driver: p.drivers[kinds[kind]], id: fmt.Sprintf("t%d", p.ids), kind: kind}
	_, word, _ := strings.Cut(kind, " ")
	tn.driver.Send(t, strings.Join(append([]string{command, tn.id, word}, args...), " "))
	return tn
}

// next returns what the turn says next, and what others say meanwhile is kept
// for them.
func (tn *turn) next(t *testing.T) string {
	t.Helper()
	for len(tn.p.said[tn.id]) == 0 {
		tn.p.read(t, tn.driver)
	}
	line := tn.p.said[tn.id][0]
	tn.p.said[tn.id] = tn.p.said[tn.id][1:]
	return line
}

func (p *peers) read(t *testing.T, d driver) {
	t.Helper()
	id, text, _ := strings.Cut(d.Next(t), " ")
	p.said[id] = append(p.said[id], text)
}

// pending returns all that the turn has said and that was not taken by next.
func (tn *turn) pending(t *testing.T) []string {
	t.Helper()
	for !tn.driver.Silent() {
		tn.p.read(t, tn.driver)
	}
	return tn.p.said[tn.id]
}

// take makes a peer take the lock and returns when its contender stands in the
// queue.
func (q *queue) take(t *testing.T, p *peers, kind string) *turn {
	t.Helper()
	before := q.names(t)
	tn := p.command(t, "take", kind, q.e.Servers, q.path.String())
	eventually(t, kind+" in the queue", func() bool {
		tn.name = q.added(t, before)
		for _, said := range tn.pending(t) {
			if strings.HasPrefix(said, "failed") {
				t.Fatalf("%s: %s", kind, said)
			}
		}
		return tn.name != ""
	})
	return tn
}

// holds waits until the peer holds.
func (tn *turn) holds(t *testing.T) {
	t.Helper()
	for {
		switch got := tn.next(t); got {
		case "held":
			return
		case "waits":
		default:
			t.Fatalf("%s said %q, want that it holds", tn.kind, got)
		}
	}
}

// waits returns when the peer has looked at the queue and found that it must
// wait.
func (q *queue) waits(t *testing.T, tn *turn) {
	t.Helper()
	eventually(t, tn.kind+" waiting", func() bool {
		for _, said := range tn.pending(t) {
			if said != "waits" {
				t.Fatalf("%s said %q, want that it waits; in the queue are %q", tn.kind, said, q.names(t))
			}
		}
		return len(tn.p.said[tn.id]) > 0 || q.watches(t, tn.name)
	})
}

// gives makes the peer give the lock up.
func (tn *turn) gives(t *testing.T) {
	t.Helper()
	tn.driver.Send(t, "give "+tn.id)
	if got := tn.next(t); got != "given" {
		t.Fatalf("%s said %q, want that it gave the lock up", tn.kind, got)
	}
}

// goDriver takes go-zookeeper's zk.Lock in this process, by the same commands.
type goDriver struct {
	lines chan string
	done  sync.WaitGroup
	stop  chan struct{} // closed at the end of the test

	mu    sync.Mutex
	given map[string]chan struct{}
}

func newGoDriver(t *testing.T) *goDriver {
	d := &goDriver{lines: make(chan string, 256), stop: make(chan struct{}), given: make(map[string]chan struct{})}
	t.Cleanup(func() {
		close(d.stop)
		d.done.Wait()
	})
	d.lines <- "ready"
	return d
}

func (d *goDriver) Silent() bool { return len(d.lines) == 0 }

func (d *goDriver) Next(t testing.TB) string {
	t.Helper()
	select {
	case line := <-d.lines:
		return line
	case <-time.After(time.Minute):
		t.Fatal("zk.Lock: nothing happened for a minute")
		return ""
	}
}

func (d *goDriver) Send(t testing.TB, line string) {
	t.Helper()
	w := strings.Fields(line)
	id := w[1]
	if w[0] == "give" {
		d.mu.Lock()
		close(d.given[id])
		d.mu.Unlock()
		return
	}
	given := make(chan struct{})
	d.mu.Lock()
	d.given[id] = given
	d.mu.Unlock()
	addr, chroot, _ := strings.Cut(w[3], "/")
	path := "/" + chroot + w[4]
	d.done.Go(func() {
		// A connection that is closed ends a Lock that waits.
		c, err := connect(addr)
		if err != nil {
			d.lines <- id + " failed " + err.Error()
			return
		}
		ended := make(chan struct{})
		defer close(ended)
		d.done.Go(func() {
			select {
			case <-d.stop:
			case <-ended:
			}
			c.Close()
		})
		if w[0] == "take" {
			err = d.take(c, id, path, given)
		} else {
			err = d.loop(c, id, path, w[5], "/"+chroot+w[6])
		}
		if err != nil {
			d.lines <- id + " failed " + err.Error()
		}
	})
}

func (d *goDriver) take(c *zk.Conn, id, path string, given chan struct{}) error {
	l := zk.NewLock(c, path, zk.WorldACL(zk.PermAll))
	if err := l.Lock(); err != nil {
		return err
	}
	d.lines <- id + " held"
	select {
	case <-given:
	case <-d.stop:
	}
	if err := l.Unlock(); err != nil {
		return err
	}
	d.lines <- id + " given"
	return nil
}

func (d *goDriver) loop(c *zk.Conn, id, path, rounds, inside string) error {
	var n int
	if _, err := fmt.Sscan(rounds, &n); err != nil {
		return err
	}
	name := "exclusive-go-" + id
	for range n {
		l := zk.NewLock(c, path, zk.WorldACL(zk.PermAll))
		if err := l.Lock(); err != nil {
			return err
		}
		if _, err := c.Create(inside+"/"+name, nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
			return err
		}
		others, _, err := c.Children(inside)
		if err != nil {
			return err
		}
		if others = slices.DeleteFunc(others, func(n string) bool { return n == name }); len(others) > 0 {
			d.lines <- id + " beside " + name + " " + strings.Join(others, " ")
		}
		if err := c.Delete(inside+"/"+name, -1); err != nil {
			return err
		}
		if err := l.Unlock(); err != nil {
			return err
		}
	}
	d.lines <- id + " done"
	return nil
}

// connect returns when there is a session.
func connect(addr string) (*zk.Conn, error) {
	c, events, err := zk.Connect([]string{addr}, 10*time.Second, zk.WithLogger(quiet{}))
	if err != nil {
		return nil, err
	}
	late := time.After(limit)
	for {
		select {
		case e := <-events:
			if e.State == zk.StateHasSession {
				return c, nil
			}
		case <-late:
			c.Close()
			return nil, errors.New("no session in time")
		}
	}
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
