package lock

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// owners knows what each owner holds through one Client.
type owners struct {
	mu     sync.Mutex
	claims map[string][]*claim
}

func (o *owners) add(cl *claim) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.claims == nil {
		o.claims = make(map[string][]*claim)
	}
	o.claims[cl.owner] = append(o.claims[cl.owner], cl)
}

func (o *owners) remove(cl *claim) {
	o.mu.Lock()
	defer o.mu.Unlock()
	rest := slices.DeleteFunc(o.claims[cl.owner], func(x *claim) bool { return x == cl })
	if len(rest) == 0 {
		delete(o.claims, cl.owner)
		return
	}
	o.claims[cl.owner] = rest
}

func (o *owners) of(owner string) []*claim {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.claims[owner])
}

// rankOrder compares places in the order (rank, path), unranked last.
func rankOrder(rankA *int, a zkfs.Path, rankB *int, b zkfs.Path) int {
	switch {
	case rankA != nil && rankB == nil:
		return -1
	case rankA == nil && rankB != nil:
		return 1
	case rankA != nil && *rankA != *rankB:
		if *rankA < *rankB {
			return -1
		}
		return 1
	}
	return strings.Compare(string(a), string(b))
}

// inOrder refuses a request that is not above everything that its owner holds,
// here and in the processes around this one. An owner that was not named may be
// many that know nothing of each other: of it only declared ranks are compared.
func (c *Client) inOrder(path zkfs.Path, p layout.Policy, o Options) error {
	named := o.Owner != ""
	refuse := func(held zkfs.Path, rank *int) error {
		if !named && (p.Rank == nil || rank == nil) || rankOrder(rank, held, p.Rank, path) < 0 {
			return nil
		}
		if held == path {
			return fmt.Errorf("%w: its owner holds it already, or what this runs under does, and would wait for itself", ErrRank)
		}
		return fmt.Errorf("%w: its owner holds %s (%s), and this one has %s; take them in the order of rank and path, or together",
			ErrRank, held, rankText(rank), rankText(p.Rank))
	}
	owner := o.Owner
	if !named {
		owner = c.owner
	}
	for _, cl := range c.owners.of(owner) {
		if err := refuse(cl.path, cl.currentPolicy().Rank); err != nil {
			return err
		}
	}
	named = true // those around this process wait for it to end
	for _, outer := range o.Outer {
		if err := refuse(outer.Path, outer.Rank); err != nil {
			return err
		}
	}
	return nil
}

func rankText(rank *int) string {
	if rank == nil {
		return "no rank"
	}
	return fmt.Sprintf("rank %d", *rank)
}

// again returns the claim that a reentrant request shares, if its owner holds
// the lock through this Client. The owner must be named.
func (c *Client) again(path zkfs.Path, p layout.Policy, o Options) (*claim, error) {
	if !p.Reentrant || o.Owner == "" {
		return nil, nil
	}
	for _, cl := range c.owners.of(o.Owner) {
		if cl.path != path {
			continue
		}
		if cl.shared && !o.Shared {
			return nil, fmt.Errorf("%w: its owner has a shared hold, which cannot become exclusive", ErrMode)
		}
		return cl, nil
	}
	return nil, nil
}
