package plan

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// newID returns 32 random hexadecimal digits.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// summaryOf says what an ensemble's part does, such as "3 created, 1 updated".
func summaryOf(e *Ensemble) string {
	var parts []string
	s := (&Plan{Ensembles: []Ensemble{*e}}).Summary()
	for _, x := range []struct {
		n    int
		done string
	}{{s.Create, "created"}, {s.Adopt, "adopted"}, {s.Update, "updated"}, {s.Move, "moved"}, {s.Disown, "disowned"}, {s.Delete, "deleted"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.done))
		}
	}
	if len(parts) == 0 {
		return "nothing changed"
	}
	return strings.Join(parts, ", ")
}

// disowns reports whether a step lets go of a znode.
func (e *Ensemble) disowns() bool {
	return slices.ContainsFunc(e.Steps, func(s Step) bool { return s.Has(Disown) })
}
