package plan

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
)

// A Holder is a contender of a lock.
type Holder struct {
	Name    string // of its znode
	Holds   bool   // false: it waits
	Mode    string // "exclusive" or "shared"; "" when unknown
	Owner   string // of a client of another make: what it wrote into its contender
	Host    string
	PID     int
	Since   string // RFC 3339, when it queued; "" when unknown
	Token   int64  // czxid
	Session int64  // that it belongs to; 0 for a persistent znode
}

// String tells who a holder is, such as
// "holds exclusive: billing on db1, pid 4711, since 2026-11-20T18:00:00Z, token 73".
func (h Holder) String() string {
	s := "waits"
	if h.Holds {
		s = "holds"
	}
	if h.Mode == "" {
		s = "stands there"
	} else {
		s += " " + h.Mode
	}
	s += ": "
	switch {
	case h.Owner != "":
		s += h.Owner
	case h.Host == "":
		s += h.Name
	}
	if h.Host != "" {
		if h.Owner != "" {
			s += " on "
		}
		s += fmt.Sprintf("%s, pid %d", h.Host, h.PID)
	}
	if h.Host == "" && h.Session != 0 {
		s += fmt.Sprintf(", session 0x%x", uint64(h.Session))
	}
	if h.Since != "" {
		s += ", since " + h.Since
	}
	return s + fmt.Sprintf(", token %d", h.Token)
}

// readHolders reads the contenders of locks, given their data.
func readHolders(ctx context.Context, t Target, data func(zkfs.Path) []byte, locks []zkfs.Path) (map[zkfs.Path][]Holder, error) {
	all := make(map[zkfs.Path][]Holder)
	if len(locks) == 0 {
		return all, nil
	}
	parents, err := t.Read(ctx, zkfs.PartChildren, locks)
	if err != nil {
		return nil, err
	}
	var paths []zkfs.Path
	for _, n := range parents {
		for _, name := range n.Children {
			paths = append(paths, n.Path.Join(name))
		}
	}
	if len(paths) == 0 {
		return all, nil
	}
	children, err := t.Read(ctx, zkfs.PartData, paths)
	if err != nil {
		return nil, err
	}
	byPath := make(map[zkfs.Path]zkfs.Node, len(children))
	for _, n := range children {
		byPath[n.Path] = n
	}
	for _, n := range parents {
		rec, err := layout.ParseRecord(data(n.Path))
		if err != nil || rec.Policy == nil {
			rec.Policy = &layout.Policy{}
		}
		all[n.Path] = holdersOf(n.Path, n.Children, *rec.Policy, byPath)
	}
	return all, nil
}

// says returns what a client of another make wrote into its contender: a name
// with kazoo, with Curator the address of its host. It is "" when that is no
// short text.
func says(data []byte) string {
	const short = 60
	s := string(data)
	if len(s) > short || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return s
}

// holdersOf reads the contenders of one lock, in the order in which they are
// served; children that are no contenders come last and hold nothing.
func holdersOf(lock zkfs.Path, children []string, p layout.Policy, nodes map[zkfs.Path]zkfs.Node) []Holder {
	rc, err := recipe.New(string(p.Recipe), string(p.Mode), p.Prefix)
	if err != nil {
		rc = recipe.Recipe{}
	}
	q := rc.Queue(children)
	var holders []Holder
	for _, place := range q.Places(p.Permits) {
		h := Holder{Name: place.Name, Holds: place.Holds, Mode: "exclusive"}
		if place.Shared {
			h.Mode = "shared"
		}
		n := nodes[lock.Join(place.Name)]
		if n.Absent {
			continue
		}
		h.Token, h.Session = n.Stat.Czxid, n.Stat.EphemeralOwner
		if d, ok := recipe.ParseData(n.Data); ok {
			h.Owner, h.Host, h.PID, h.Mode = d.Owner, d.Host, d.PID, d.Mode
			if !d.Since.IsZero() {
				h.Since = d.Since.UTC().Format("2006-01-02T15:04:05Z07:00")
			}
		} else {
			h.Owner = says(n.Data)
		}
		holders = append(holders, h)
	}
	for _, name := range q.Unknown {
		n := nodes[lock.Join(name)]
		holders = append(holders, Holder{Name: name, Token: n.Stat.Czxid, Session: n.Stat.EphemeralOwner})
	}
	return holders
}
