package plan

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// A liveMeddler is a session of the super user, which no ACL stops.
type liveMeddler struct {
	t fataler
	s *zkconn.Session
}

type fataler interface{ Fatalf(string, ...any) }

func (m liveMeddler) must(err error, ignored ...error) {
	for _, ok := range ignored {
		if errors.Is(err, ok) {
			return
		}
	}
	if err != nil {
		m.t.Fatalf("a stranger: %v", err)
	}
}

func (m liveMeddler) look(path zkfs.Path) (zkfs.Node, bool) {
	ctx := context.Background()
	nodes, err := m.s.Read(ctx, zkfs.PartData|zkfs.PartACL, []zkfs.Path{path})
	m.must(err)
	return nodes[0], !nodes[0].Absent
}

func (m liveMeddler) put(path zkfs.Path, data string, acl zkfs.ACL) {
	ctx := context.Background()
	for _, p := range append(path.Ancestors(), path) {
		_, err := m.s.Create(ctx, p, nil, zkfs.Open(), zkfs.Persistent)
		m.must(err, zkfs.ErrNodeExists)
	}
	_, err := m.s.Set(ctx, path, []byte(data), zkfs.AnyVersion)
	m.must(err)
	if acl != nil {
		m.setACL(path, acl)
	}
}

func (m liveMeddler) setACL(path zkfs.Path, acl zkfs.ACL) {
	_, err := m.s.SetACL(context.Background(), path, acl, zkfs.AnyVersion)
	m.must(err)
}

func (m liveMeddler) remove(path zkfs.Path) {
	m.must(m.s.Delete(context.Background(), path, zkfs.AnyVersion))
}

// below opens a session whose root is one case's own part of the tree.
func below(t *rapid.T, e *zktest.Env, root zkfs.Path, auth zkconn.Auth) *zkconn.Session {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := zkconn.Open(ctx, zkconn.Config{
		Servers: e.Servers + root.String(), SessionTimeout: 10 * time.Second, TickTime: zktest.Tick, Auth: []zkconn.Auth{auth},
	})
	if err != nil {
		t.Fatalf("open a session: %v", err)
	}
	return s
}

// TestLiveProperties is the first of the properties on servers, with connections
// that break during writes where the server can be made to.
func TestLiveProperties(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		top := dial(t, e)
		cases := 0
		rapid.Check(t, func(t *rapid.T) {
			ctx := context.Background()
			cases++
			root := zkfs.Root.Join(fmt.Sprintf("case%d", cases))
			if _, err := top.Create(ctx, root, nil, zkfs.Open(), zkfs.Persistent); err != nil {
				t.Fatalf("create the root of a case: %v", err)
			}
			s, super := below(t, e, root, asPlanner()), below(t, e, root, zkconn.Digest("super", "test"))
			defer func() { _, _ = s.Close(ctx), super.Close(ctx) }()
			tree := liveMeddler{t, super}
			drawStrangers(t, tree, "before")
			for i := range 2 {
				l := drawLayout(t, fmt.Sprintf("layout %d", i))
				l.Ledger = "/lockform/test"
				o := drawOptions(t)
				p := planOf(t, s, l, o)
				if p == nil {
					continue
				}
				if e.Dev != nil && rapid.Bool().Draw(t, "cut") {
					action := rapid.SampledFrom([]zkdev.Action{zkdev.CloseBefore, zkdev.CloseAfter}).Draw(t, "action")
					kind := rapid.SampledFrom([]zkdev.Op{zkdev.OpMulti, zkdev.OpSetACL}).Draw(t, "kind")
					in := e.Dev.Inject(zkdev.Fault{Action: action, Kind: kind, Session: s.ID(), Nth: rapid.IntRange(1, 5).Draw(t, "nth")})
					defer in.Cancel()
				}
				applies(t, tree, s, l, p, o, func() error { return applyLive(ctx, s, p, 0, ApplyOptions{}) })
				drawStrangers(t, tree, "between")
			}
		})
	})
}
