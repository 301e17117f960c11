package layout

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// TestAttributesAreThoseOfTheRecord compares every attribute with what Encode
// writes: both are read by users and must not part.
func TestAttributesAreThoseOfTheRecord(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	duration := func() time.Duration { return time.Duration(r.IntN(5)-1) * 1500 * time.Millisecond }
	for range 500 {
		p := Policy{
			Mode: []Mode{Exclusive, Semaphore, "<&>"}[r.IntN(3)], Permits: r.IntN(3), Recipe: Plain, Prefix: []string{"", "a\"b"}[r.IntN(2)],
			WaitTimeout: duration(), MaxHold: duration(), MaxWaiters: r.IntN(3), SessionTimeout: duration(), TickTime: duration(),
			Heartbeat: HeartbeatSync, OnLost: "signal:USR1", KillTimeout: duration(), Reentrant: r.IntN(2) == 0, Revocable: r.IntN(2) == 0,
		}
		if r.IntN(2) == 0 {
			rank := r.IntN(4) - 2
			p.Rank = &rank
		}
		if r.IntN(2) == 0 {
			p.ContenderACL = zkfs.ACL{{Perms: zkfs.Read, Identity: zkfs.Anyone}, {Perms: zkfs.AllPerms, Identity: zkfs.Digest("a", "b")}}
		}
		data, err := marshal(p.toJSON())
		if err != nil {
			t.Fatal(err)
		}
		fields, _ := object(data)
		attributes := p.Attributes()
		for _, a := range attributes {
			if got, want := a.Value, string(fields[a.Name]); got != want {
				t.Errorf("%s: got %s, want %s", a.Name, got, want)
			}
		}
		if got, want := len(attributes), len(fields); got != want {
			t.Errorf("got %d attributes, want %d: %s", got, want, data)
		}
	}
}
