package doctor

import (
	"slices"
	"testing"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/cmd/lockform/internal/live"
	"github.com/lockform/lockform/zkfs"
)

// Owners who wait for each other in two ensembles are found by their names.
func TestDeadlockAcrossEnsembles(t *testing.T) {
	queue := func(ensemble string, path zkfs.Path, holder, waiter string) live.Lock {
		return live.Lock{Ensemble: ensemble, Queue: live.Queue{Queue: lock.Queue{Path: path, Contenders: []lock.Contender{
			{Owner: holder, Holds: true, Mode: "exclusive"}, {Owner: waiter, Mode: "exclusive"},
		}}}}
	}
	east, west := queue("east", "/a", "alice", "bob"), queue("west", "/b", "bob", "alice")
	found := Deadlocks([]live.Lock{east, west})
	if len(found) != 1 || found[0].Severity != Error || !slices.Equal(found[0].Paths, []string{"west:/b", "east:/a"}) ||
		found[0].Summary != "Deadlock: alice waits for west:/b of bob, bob waits for east:/a of alice" {
		t.Errorf("got %+v", found)
	}
	if found := Deadlocks([]live.Lock{east}); found != nil {
		t.Errorf("one who waits alone: got %+v", found)
	}
}
