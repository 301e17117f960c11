package lock

import (
	"context"
	"encoding/json"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
)

// An entry is what an agent writes into the inventory of a layout.
type entry struct {
	Lockform int    `json:"lockform"`
	Host     string `json:"host"`
	PID      int    `json:"pid"`
	Version  string `json:"version"`
}

// enlist puts the session into the inventory of the layout that a lock belongs
// to, once: an ephemeral znode below the layout's ledger, so that people see
// which hosts use its locks. A hold that does not last is not told of, for it
// would pay for it. Data is that of the lock's znode, which does not say where
// the ledgers stand: where it is not the usual place, or where the agent may not
// write, there is no entry.
func (s *session) enlist(ctx context.Context, c *Client, data []byte) {
	r, err := layout.ParseRecord(data)
	if err != nil {
		return
	}
	s.mu.Lock()
	known := s.inventories[r.Layout]
	s.inventories[r.Layout] = true
	s.mu.Unlock()
	if known {
		return
	}
	text, err := json.Marshal(entry{layout.Format, c.cfg.Host, c.cfg.PID, zkfs.Version()})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout()/2)
	defer cancel()
	node := layout.DefaultLedger.Join(r.Layout).Join(layout.AgentsName).Join(recipe.NewGUID())
	if _, err := s.Create(ctx, node, text, zkfs.ReadOnly().With(s.owners...), zkfs.Ephemeral); err != nil {
		s.log.Debug("not in the inventory of the layout", "layout", r.Layout, "error", err)
	}
}
