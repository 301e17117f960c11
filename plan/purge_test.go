package plan

import (
	"errors"
	"testing"

	"github.com/lockform/lockform/zkfs"
)

func TestPurge(t *testing.T) {
	destroyed := func(t *testing.T) (*fakeTarget, *fakeLock) {
		s := newTree().session(planner)
		applyLayout(t, s, jobs(), Options{})
		applyLayout(t, s, jobs(), Options{Mode: Destroy})
		return s, s.tree.lock("/lockform/test/apply", 7)
	}
	t.Run("LeavesNothing", func(t *testing.T) {
		s, held := destroyed(t)
		if agents, err := Purge(t.Context(), s, "/lockform/test", "test", held); err != nil || agents != 0 {
			t.Fatalf("got %d, %v", agents, err)
		}
		if len(s.tree.nodes) != 1 {
			t.Errorf("left behind: %v", s.tree.children("/lockform"))
		}
	})
	t.Run("LeavesAgentsAlone", func(t *testing.T) {
		s, held := destroyed(t)
		s.tree.put("/lockform/test/agents/one", "", nil)
		if agents, err := Purge(t.Context(), s, "/lockform/test", "test", held); err != nil || agents != 1 {
			t.Fatalf("got %d, %v", agents, err)
		}
		if got := s.tree.children("/lockform/test"); len(got) != 1 {
			t.Errorf("left behind: %v", got)
		}
	})
	t.Run("LeavesTheParentOfAnother", func(t *testing.T) {
		s, held := destroyed(t)
		s.tree.put("/lockform/other", "", nil)
		if _, err := Purge(t.Context(), s, "/lockform/test", "test", held); err != nil {
			t.Fatal(err)
		}
		if got := s.tree.children("/lockform"); len(got) != 1 || got[0] != "other" {
			t.Errorf("left behind: %v", got)
		}
	})
	t.Run("RefusesWhatIsOwned", func(t *testing.T) {
		s := newTree().session(planner)
		applyLayout(t, s, jobs(), Options{})
		held := s.tree.lock("/lockform/test/apply", 7)
		if _, err := Purge(t.Context(), s, "/lockform/test", "test", held); !errors.Is(err, ErrBlocked) {
			t.Errorf("got %v, want %v", err, ErrBlocked)
		}
	})
	t.Run("RefusesWhileAnotherWaits", func(t *testing.T) {
		s, held := destroyed(t)
		s.tree.lock("/lockform/test/apply", 8)
		if _, err := Purge(t.Context(), s, "/lockform/test", "test", held); !errors.Is(err, ErrBlocked) {
			t.Errorf("got %v, want %v", err, ErrBlocked)
		}
		if s.tree.nodes[held.node] == nil || s.tree.nodes["/lockform/test/history/0000000001"] == nil {
			t.Error("something was removed")
		}
	})
	t.Run("NeedsItsLock", func(t *testing.T) {
		s, held := destroyed(t)
		s.tree.release(held)
		if _, err := Purge(t.Context(), s, "/lockform/test", "test", held); !errors.Is(err, zkfs.ErrNoNode) {
			t.Errorf("got %v, want %v", err, zkfs.ErrNoNode)
		}
	})
}
