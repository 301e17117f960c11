package live

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/lockform/lockform/agent/lock"
)

// Document is what "lockform locks -json" prints.
type Document struct {
	FormatVersion string         `json:"format_version"`
	Time          time.Time      `json:"time"`
	Locks         []LockJSON     `json:"locks"`
	Deadlocks     []DeadlockJSON `json:"deadlocks"`
}

// LockJSON is one lock of a Document.
type LockJSON struct {
	Ensemble    string          `json:"ensemble,omitempty"`
	Path        string          `json:"path"`
	Address     string          `json:"address,omitempty"`
	Mode        string          `json:"mode,omitempty"`
	Recipe      string          `json:"recipe,omitempty"`
	State       string          `json:"state"` // held, free, absent, denied
	QueueLength int             `json:"queue_length"`
	Holders     []ContenderJSON `json:"holders"`
	Waiters     []ContenderJSON `json:"waiters"`
	Unknown     []string        `json:"unknown_children,omitempty"`
	Problem     string          `json:"problem,omitempty"` // why there is no policy
}

// ContenderJSON is one holder or waiter.
type ContenderJSON struct {
	Node     string     `json:"node"`
	ID       string     `json:"id,omitempty"` // the GUID
	Mode     string     `json:"mode"`
	Owner    string     `json:"owner,omitempty"`
	Host     string     `json:"host,omitempty"`
	PID      int        `json:"pid,omitempty"`
	Since    *time.Time `json:"since,omitempty"`
	Token    int64      `json:"token"`
	Session  string     `json:"session"`
	Sequence int64      `json:"sequence"`
	Client   string     `json:"client,omitempty"`
	Foreign  bool       `json:"foreign"`
	Notes    []string   `json:"notes,omitempty"`
}

// DeadlockJSON is a ring of owners.
type DeadlockJSON struct {
	Owners []string `json:"owners"`
	Paths  []string `json:"paths"`
}

// NewDocument returns the locks as a Document.
func NewDocument(locks []Lock, now time.Time) Document {
	d := Document{FormatVersion: "1.0", Time: now.UTC(), Locks: []LockJSON{}, Deadlocks: []DeadlockJSON{}}
	for _, l := range locks {
		j := LockJSON{
			Ensemble: l.Ensemble, Path: l.Queue.Path.String(), Address: l.Address,
			State: "free", QueueLength: len(l.Queue.Contenders), Unknown: l.Queue.Unknown,
			Holders: contenders(l, l.Queue.Holders(), now), Waiters: contenders(l, l.Queue.Waiters(), now),
		}
		if p := l.Queue.Policy; p != nil {
			j.Mode, j.Recipe = string(p.Mode), string(p.Recipe)
		} else if l.Queue.PolicyErr != nil {
			j.Problem = l.Queue.PolicyErr.Error()
		}
		switch {
		case l.Queue.Absent:
			j.State = "absent"
		case l.Queue.Denied:
			j.State = "denied"
		case len(j.Holders) > 0:
			j.State = "held"
		}
		d.Locks = append(d.Locks, j)
	}
	for _, r := range Deadlocks(locks) {
		d.Deadlocks = append(d.Deadlocks, DeadlockJSON(r))
	}
	return d
}

func contenders(l Lock, cs []lock.Contender, now time.Time) []ContenderJSON {
	all := make([]ContenderJSON, 0, len(cs))
	for _, c := range cs {
		j := ContenderJSON{
			Node: c.Node.String(), ID: c.ID, Mode: c.Mode, Owner: c.Owner, Host: c.Host, PID: c.PID,
			Token: c.Token, Session: fmt.Sprintf("0x%x", uint64(c.Session)), Sequence: c.Sequence,
			Client: c.Client, Foreign: c.Foreign, Notes: Notes(l, c, now),
		}
		if !c.Since.IsZero() {
			since := c.Since.UTC()
			j.Since = &since
		}
		all = append(all, j)
	}
	return all
}

// JSON writes the locks as one Document, indented.
func JSON(w io.Writer, locks []Lock, now time.Time) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(NewDocument(locks, now))
}

// Line writes the locks as one Document on one line.
func Line(w io.Writer, locks []Lock, now time.Time) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(NewDocument(locks, now))
}
