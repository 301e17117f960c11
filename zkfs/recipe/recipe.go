package recipe

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/lockform/lockform/zkfs"
)

// SequenceDigits is how many digits the server appends to a sequential name.
const SequenceDigits = 10

// SequenceEnd is the first sequence with which a lock is no longer taken. A
// server hands out 2147483647 again and again after reaching it, or goes
// negative when creates are in flight together; what is left before it covers
// creates that are in flight.
const SequenceEnd = 1<<31 - 1 - 1024

// A Recipe makes names of contenders. The zero Recipe is Curator's mutex.
type Recipe struct {
	name   string
	mode   string
	prefix string
}

// New returns the recipe of a policy: its recipe (curator, kazoo, bridge or
// plain), its mode (exclusive, read_write or semaphore) and, for plain, its
// prefix. The empty string means the first of each.
func New(name, mode, prefix string) (Recipe, error) {
	switch name {
	case "", "curator", "kazoo", "bridge":
		prefix = ""
	case "plain":
		if _, err := zkfs.ParseName(prefix + "0"); err != nil || prefix == "" {
			return Recipe{}, fmt.Errorf("%q is not a prefix of contender names", prefix)
		}
		if mode == "read_write" {
			return Recipe{}, fmt.Errorf("the recipe plain has exclusive holds only")
		}
	default:
		return Recipe{}, fmt.Errorf("%q is not a recipe", name)
	}
	switch mode {
	case "", "exclusive", "read_write":
	case "semaphore":
		if name != "" && name != "curator" {
			return Recipe{}, fmt.Errorf("a semaphore has the recipe curator, not %s", name)
		}
	default:
		return Recipe{}, fmt.Errorf("%q is not a mode", mode)
	}
	return Recipe{name, mode, prefix}, nil
}

// NewGUID returns 32 random hexadecimal digits in lower case. They are a UUID
// of version 4 but for the first digit, which is one of a to f: Curator sorts
// kazoo's names as whole texts, and so always after its own.
func NewGUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[0] = 0xa0 + b[0]%6<<4 | b[0]&0x0f
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return hex.EncodeToString(b[:])
}

// Prefixes returns the names to create for one contender, without their
// sequences: one, or for the recipe bridge several that belong into one multi.
// The guid is that of NewGUID; plain names have none. Shared is refused where
// the mode is not read_write.
func (r Recipe) Prefixes(guid string, shared bool) ([]string, error) {
	if shared && r.mode != "read_write" {
		return nil, fmt.Errorf("a lock of mode %s has no shared holds", orFirst(r.mode, "exclusive"))
	}
	if len(guid) != 32 || hexDigits(guid) != 32 {
		return nil, fmt.Errorf("%q is not a GUID of 32 hexadecimal digits", guid)
	}
	curator := "_c_" + guid[:8] + "-" + guid[8:12] + "-" + guid[12:16] + "-" + guid[16:20] + "-" + guid[20:] + "-"
	switch r.name {
	case "plain":
		return []string{r.prefix}, nil
	case "kazoo":
		if shared {
			return []string{guid + "__rlock__"}, nil
		}
		return []string{guid + "__lock__"}, nil
	case "bridge":
		if shared {
			return []string{guid + "__rlock__", curator + "__READ__"}, nil
		}
		return []string{guid + "__lock__", curator + "lock-", curator + "__WRIT__"}, nil
	}
	if r.mode != "read_write" {
		return []string{curator + "lock-"}, nil
	}
	if shared {
		return []string{curator + "__READ__"}, nil
	}
	return []string{curator + "__WRIT__"}, nil
}

// HasGUID reports whether the recipe's names hold a GUID, by which a contender
// is found again after the reply to its creation was lost.
func (r Recipe) HasGUID() bool { return r.name != "plain" }

// Semaphore reports whether several contenders hold at once, in number.
func (r Recipe) Semaphore() bool { return r.mode == "semaphore" }

// Parse is the package's Parse for a queue of this recipe: a plain recipe's own
// names are exclusive whatever infix its prefix happens to hold.
func (r Recipe) Parse(name string) (Contender, bool) {
	if r.name == "plain" && strings.HasPrefix(name, r.prefix) {
		if tail := name[len(r.prefix):]; len(tail) >= SequenceDigits {
			if seq, ok := integer(tail); ok {
				c := Contender{Name: name, Client: Script, Seq: seq, digits: len(tail)}
				if p, ok := Parse(name); ok && p.Client == Lock {
					c.Client = Lock
				}
				return c, true
			}
		}
	}
	return Parse(name)
}

// Blind reports whether the client that made c would not wait for a contender
// of this recipe that stands before it, though the two conflict.
func (r Recipe) Blind(c Contender, shared bool) bool { return r.blind(c, shared, r.likeOurs(shared)) }

// likeOurs returns prefixes as Prefixes makes them: any GUID gives names of the
// same form.
func (r Recipe) likeOurs(shared bool) []string {
	prefixes, err := r.Prefixes("a0000000000000000000000000000000", shared)
	if err != nil {
		return nil
	}
	return prefixes
}

func (r Recipe) blind(c Contender, shared bool, ours []string) bool {
	if shared && c.Shared {
		return false
	}
	if r.Semaphore() {
		return c.Client != Curator
	}
	for _, p := range ours {
		if c.Prefix() == p || c.Sees(p) {
			return false
		}
	}
	return true
}

func orFirst(s, first string) string {
	if s == "" {
		return first
	}
	return s
}
