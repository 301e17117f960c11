package lock

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
)

// A Reader reads znodes; *zkconn.Session is one.
type Reader interface {
	Read(ctx context.Context, parts zkfs.Parts, paths []zkfs.Path) ([]zkfs.Node, error)
}

// A Queue is who holds a lock and who waits for it, as it was read at one time.
type Queue struct {
	Path       zkfs.Path
	Absent     bool           // the znode does not exist
	Policy     *layout.Policy // nil when the znode carries none
	PolicyErr  error          // why there is none: errors of layout.ParsePolicy
	Denied     bool           // data or children may not be read
	Contenders []Contender    // in the order in which they are served
	Unknown    []string       // children that are no contenders; "locks" and "leases" are a Curator semaphore
}

// A Contender is one place in a queue.
type Contender struct {
	Name     string // of the znode
	Node     zkfs.Path
	Nodes    []zkfs.Path // all of a contender of the recipe bridge; otherwise Node alone
	Holds    bool        // it holds the lock, by its place; else it waits
	Mode     string      // "exclusive", "shared" or "semaphore"
	Client   string      // whose form the name has: "curator", "kazoo", "go-zookeeper", …
	Sequence int64
	Token    int64 // the czxid; of a waiter, the token it will have
	Session  int64

	Lockform bool // it is an agent's, and what follows is from its data, made printable
	Owner    string
	Host     string
	PID      int
	ID       string    // the GUID
	Since    time.Time // when it queued; of others than agents when the znode was made
	Signals  bool

	Foreign bool   // its client cannot see the name that the lock's recipe makes
	Data    []byte // as it was read; of others than agents often an address or a name
}

// Holders returns those that hold the lock.
func (q Queue) Holders() []Contender { return q.pick(true) }

// Waiters returns those that wait, the next one first.
func (q Queue) Waiters() []Contender { return q.pick(false) }

func (q Queue) pick(holds bool) []Contender {
	var some []Contender
	for _, c := range q.Contenders {
		if c.Holds == holds {
			some = append(some, c)
		}
	}
	return some
}

// ReadQueues reads the queues of many locks, in the order of paths. A path that
// does not exist, is not declared or may not be read is no error: its Queue
// says so. The policy p is used for what carries none; nil means the built-in
// defaults. A contender that goes while it is read is left out.
func ReadQueues(ctx context.Context, r Reader, paths []zkfs.Path, p *layout.Policy) ([]Queue, error) {
	locks, err := r.Read(ctx, zkfs.PartData|zkfs.PartChildren, paths)
	if err != nil {
		return nil, err
	}
	queues := make([]Queue, len(locks))
	lists := make([]recipe.Queue, len(locks))
	var children []zkfs.Path
	for i, n := range locks {
		q := &queues[i]
		q.Path, q.Absent, q.Denied = n.Path, n.Absent, n.Denied != 0
		if n.Absent {
			continue
		}
		used := layout.DefaultPolicy()
		if p != nil {
			used = *p
		}
		if read, err := layout.ParsePolicy(n.Data); err == nil {
			q.Policy, used = &read, read
		} else {
			q.PolicyErr = err
		}
		made, err := recipeOf(used, false)
		if err != nil {
			return nil, &Error{n.Path, err}
		}
		lists[i] = made.Queue(n.Children)
		q.Unknown = lists[i].Unknown
		for _, place := range lists[i].Places(used.Permits) {
			c := Contender{
				Name: place.Name, Node: n.Path.Join(place.Name), Holds: place.Holds,
				Mode: modeOf(used, place.Shared), Client: string(place.Client), Sequence: place.Seq,
				Foreign: place.Blind,
			}
			for _, name := range place.Names {
				c.Nodes = append(c.Nodes, n.Path.Join(name))
			}
			q.Contenders = append(q.Contenders, c)
			children = append(children, c.Node)
		}
	}
	nodes, err := r.Read(ctx, zkfs.PartData, children)
	if err != nil {
		return nil, err
	}
	for i := range queues {
		var there []Contender
		for _, c := range queues[i].Contenders {
			if n := nodes[0]; !n.Absent {
				there = append(there, c.read(n))
			}
			nodes = nodes[1:]
		}
		queues[i].Contenders = there
	}
	return queues, nil
}

// describe returns a contender that was read while waiting for it.
func describe(name recipe.Contender, n zkfs.Node) Contender {
	c := Contender{
		Name: name.Name, Node: n.Path, Nodes: []zkfs.Path{n.Path},
		Client: string(name.Client), Sequence: name.Seq, Mode: "exclusive",
	}
	if name.Shared {
		c.Mode = "shared"
	}
	return c.read(n)
}

// read fills in what stands in the znode.
func (c Contender) read(n zkfs.Node) Contender {
	c.Token, c.Session, c.Data, c.Since = n.Stat.Czxid, n.Stat.EphemeralOwner, n.Data, n.Stat.Ctime
	if d, ok := recipe.ParseData(n.Data); ok {
		c.Lockform, c.Owner, c.Host, c.PID, c.ID, c.Signals = true, printable(d.Owner), printable(d.Host), d.PID, printable(d.ID), d.Signals
		if !d.Since.IsZero() {
			c.Since = d.Since
		}
	}
	return c
}

// printable returns s as it is, or with what cannot be shown escaped: whoever may
// make a contender chooses what is in its data, and others' terminals show it.
func printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) && utf8.ValidString(s) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}
