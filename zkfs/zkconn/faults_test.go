package zkconn_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// What a caller is told of a write whose answer was lost, and what was done.
func TestLostReplies(t *testing.T) {
	tests := []struct {
		action zkdev.Action
		name   string
		done   bool
	}{
		{zkdev.DropReply, "ReplyNeverComes", true},
		{zkdev.CloseAfter, "ConnectionClosedAfterwards", true},
		{zkdev.CloseBefore, "ConnectionClosedBefore", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := zktest.New(t, zktest.Embedded)
			s := open(t, zkconn.Config{Servers: e.Servers})
			mkdir(t, s, "/set")
			writes := map[zkdev.Op]func(context.Context) error{
				zkdev.OpCreate: func(ctx context.Context) error {
					_, err := s.Create(ctx, "/created", nil, zkfs.Open(), zkfs.Ephemeral)
					return err
				},
				zkdev.OpSetData: func(ctx context.Context) error {
					_, err := s.Set(ctx, "/set", []byte("x"), 0)
					return err
				},
				zkdev.OpMulti: func(ctx context.Context) error {
					_, err := s.Multi(ctx, []zkfs.Op{{Kind: zkfs.OpCreate, Path: "/multi", ACL: zkfs.Open()}})
					return err
				},
			}
			for kind, write := range writes {
				e.Dev.Inject(zkdev.Fault{Kind: kind, Action: tt.action})
				if err := write(within(t, 300*time.Millisecond)); !errors.Is(err, zkfs.ErrOutcomeUnknown) || errors.Is(err, zkfs.ErrUnavailable) {
					t.Errorf("%v: got %v", kind, err)
				}
			}
			ctx := within(t, 10*time.Second)
			nodes := must(s.Read(ctx, zkfs.PartData, []zkfs.Path{"/created", "/multi", "/set"}))(t)
			if nodes[0].Absent == tt.done || nodes[1].Absent == tt.done || (nodes[2].Stat.Version == 1) != tt.done {
				t.Errorf("done: %v, %v, %v; want %v", !nodes[0].Absent, !nodes[1].Absent, nodes[2].Stat.Version == 1, tt.done)
			}
		})
	}
}

func TestCreateList(t *testing.T) {
	e := zktest.New(t, zktest.Embedded)
	s := open(t, zkconn.Config{Servers: e.Servers})
	mkdir(t, s, "/q")
	create := func(path zkfs.Path, d time.Duration) (zkfs.Result, []string, error) {
		return s.CreateList(within(t, d), path, nil, zkfs.Open(), zkfs.EphemeralSequential)
	}
	t.Run("Refused", func(t *testing.T) {
		var oe *zkfs.OpError
		result, names, err := create("/none/n-", 10*time.Second)
		if !errors.Is(err, zkfs.ErrNoNode) || !errors.As(err, &oe) || oe.Op != "create" || result.Path != "" || names != nil {
			t.Errorf("got %+v, %q, %v", result, names, err)
		}
		if _, _, err := create("relative", time.Second); !errors.Is(err, zkfs.ErrBadArguments) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("NoReadPermission", func(t *testing.T) {
		only := zkfs.ACL{{Perms: zkfs.Create | zkfs.Delete | zkfs.Admin, Identity: zkfs.Anyone}}
		must(s.Create(within(t, 10*time.Second), "/blind", nil, only, zkfs.Persistent))(t)
		result, names, err := create("/blind/n-", 10*time.Second)
		if !errors.Is(err, zkfs.ErrNoAuth) || result.Path != "/blind/n-0000000000" || names != nil {
			t.Errorf("got %+v, %q, %v", result, names, err)
		}
	})
	for name, action := range map[string]zkdev.Action{"ListingLost": zkdev.DropReply, "CutBetween": zkdev.CloseBefore} {
		t.Run(name, func(t *testing.T) {
			e.Dev.Inject(zkdev.Fault{Kind: zkdev.OpGetChildren, Action: action})
			result, names, err := create("/q/n-", 300*time.Millisecond)
			if action == zkdev.CloseBefore && errors.Is(err, zkfs.ErrOutcomeUnknown) && result.Path == "" {
				return // the cut took the answer to the create along
			}
			if !errors.Is(err, zkfs.ErrUnavailable) || errors.Is(err, zkfs.ErrOutcomeUnknown) || result.Zxid == 0 || names != nil {
				t.Fatalf("got %+v, %q, %v", result, names, err)
			}
			if _, ok, err := s.Exists(within(t, 10*time.Second), result.Path); !ok || err != nil {
				t.Errorf("%s: %v, %v", result.Path, ok, err)
			}
		})
	}
	t.Run("CreateLost", func(t *testing.T) {
		e.Dev.Inject(zkdev.Fault{Kind: zkdev.OpCreate, Action: zkdev.CloseAfter})
		if result, _, err := create("/q/n-", 10*time.Second); !errors.Is(err, zkfs.ErrOutcomeUnknown) || result.Path != "" {
			t.Errorf("got %+v, %v", result, err)
		}
	})
	t.Run("InOrderAmongOthers", func(t *testing.T) {
		done := make(chan error)
		for range 20 {
			go func() {
				for range 20 {
					result, names, err := s.CreateList(context.Background(), "/q/n-", nil, zkfs.Open(), zkfs.EphemeralSequential)
					if err == nil && !slices.Contains(names, result.Path.Base()) {
						err = fmt.Errorf("%s is not in its listing", result.Path)
					}
					if err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range 20 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// Where a server does not set the watches again, their owners have to look.
func TestRefusedWatchesSayLook(t *testing.T) {
	e := zktest.New(t, zktest.Embedded)
	ctx := within(t, 10*time.Second)
	s, other := open(t, zkconn.Config{Servers: e.Servers}), open(t, zkconn.Config{Servers: e.Servers})
	_, _, w, err := s.ExistsW(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	e.Dev.Inject(zkdev.Fault{Kind: zkdev.OpSetWatches, Action: zkdev.Fail, Code: zkdev.Unimplemented})
	e.Dev.CloseConnection(s.ID())
	if ev := next(t, w); ev != (zkconn.Event{Type: zkconn.Look, Path: "/a", Epoch: 2}) {
		t.Errorf("event %+v", ev)
	}
	// A reconnection that breaks while they are set tries again.
	if _, _, w, err = s.ExistsW(ctx, "/a"); err != nil {
		t.Fatal(err)
	}
	e.Dev.Inject(zkdev.Fault{Kind: zkdev.OpSetWatches, Action: zkdev.CloseBefore, Times: 2})
	e.Dev.CloseConnection(s.ID())
	mkdir(t, other, "/a")
	if ev := next(t, w); ev.Type != zkconn.Created {
		t.Errorf("event %+v", ev)
	}
}

func TestExpiryInAnAnswer(t *testing.T) {
	e := zktest.New(t, zktest.Embedded)
	s := open(t, zkconn.Config{Servers: e.Servers})
	e.Dev.Inject(zkdev.Fault{Kind: zkdev.OpSync, Action: zkdev.Fail, Code: zkdev.SessionExpired})
	if err := s.Sync(within(t, 10*time.Second), zkfs.Root); !errors.Is(err, zkfs.ErrSessionOver) {
		t.Errorf("got %v", err)
	}
	select {
	case <-s.Done():
	case <-time.After(5 * time.Second):
		t.Error("the session goes on")
	}
}

// A server that answers with another session does not get us to use it.
func TestAnotherSessionIsNotTaken(t *testing.T) {
	var connections atomic.Int32
	var later atomic.Int64
	host := fake(t, func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 48))
		response := connectResponse(time.Second)
		if connections.Add(1) > 1 {
			response[19]++ // the last byte of the session id
			_, _ = c.Write(response)
			n, _ := io.Copy(io.Discard, c)
			later.Add(n)
			return
		}
		_, _ = c.Write(response)
		head := make([]byte, 12)
		_, _ = io.ReadFull(c, head)
		answer := binary.BigEndian.AppendUint32(nil, 16+68)
		_, _ = c.Write(append(append(answer, head[4:8]...), make([]byte, 12+68)...))
		_, _ = io.ReadFull(c, make([]byte, 7+12))
	})
	s, err := zkconn.Open(within(t, 10*time.Second), zkconn.Config{Servers: host})
	if err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 10*time.Second)
	if _, err := s.Create(ctx, "/a", nil, zkfs.Open(), zkfs.Ephemeral); !errors.Is(err, zkfs.ErrOutcomeUnknown) {
		t.Errorf("the first connection: %v", err)
	}
	if _, err := s.Create(ctx, "/b", nil, zkfs.Open(), zkfs.Ephemeral); !errors.Is(err, zkfs.ErrSessionOver) {
		t.Errorf("the second connection: %v", err)
	}
	if err := s.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	if n := later.Load(); n != 0 || s.ID() != 0x77 {
		t.Errorf("%d bytes were sent in another session; the id is %#x", n, s.ID())
	}
}

// A connection that breaks over the close is no reason to leave ephemerals.
func TestCloseIsTriedAgain(t *testing.T) {
	for _, action := range []zkdev.Action{zkdev.CloseBefore, zkdev.CloseAfter} {
		e := zktest.New(t, zktest.Embedded)
		s := open(t, zkconn.Config{Servers: e.Servers})
		must(s.Create(within(t, 10*time.Second), "/e", nil, zkfs.Open(), zkfs.Ephemeral))(t)
		e.Dev.Inject(zkdev.Fault{Kind: zkdev.OpCloseSession, Action: action})
		if err := s.Close(within(t, 10*time.Second)); err != nil {
			t.Errorf("Close: %v", err)
		}
		if tree := e.Tree(t); len(tree) != 0 {
			t.Errorf("left: %v", tree)
		}
	}
}

func TestEventTypeNames(t *testing.T) {
	for e, want := range map[zkconn.EventType]string{
		zkconn.Created: "created", zkconn.Deleted: "deleted", zkconn.Changed: "changed",
		zkconn.ChildrenChanged: "children changed", zkconn.Look: "look", 9: "event(9)",
	} {
		if got := e.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
