package recipe

import (
	"strconv"
	"strings"
)

// A Client says whose form a contender's name has.
type Client string

// The clients that can be told by their names.
const (
	Curator   Client = "curator"      // _c_<uuid>-lock-N: Curator's mutex, and agents
	CuratorRW Client = "curator-rw"   // __READ__N, __WRIT__N
	Kazoo     Client = "kazoo"        // <hex32>__lock__N, __rlock__N
	GoZK      Client = "go-zookeeper" // _c_<hex32>-lock-N
	Lock      Client = "lock"         // lock-N with anything else before it
	Document  Client = "read-write"   // read-N, write-N, after ZooKeeper's documentation
	WriteLock Client = "write-lock"   // x-<session>-N, of ZooKeeper's recipes and the C# port
	Script    Client = "script"       // any other name with ten digits at its end
)

// A Contender is a name below a lock, read.
type Contender struct {
	Name   string
	Client Client
	Seq    int64  // its place: lower goes first. Signed, for a server past its end
	Shared bool   // it lets other shared ones hold beside it
	guid   string // as the name has it, with dashes or without; "" when it has none
	digits int    // the length of the sequence in the name
}

// GUID returns the 32 hexadecimal digits of the name in lower case, "" when it
// has none.
func (c Contender) GUID() string { return strings.ToLower(strings.ReplaceAll(c.guid, "-", "")) }

// Ours reports whether both names hold the same GUID: one client made both.
func (c Contender) Ours(d Contender) bool {
	return c.guid != "" && d.guid != "" && (c.guid == d.guid || c.GUID() == d.GUID())
}

// Prefix returns the name without its sequence.
func (c Contender) Prefix() string { return c.Name[:len(c.Name)-c.digits] }

// infixes mark the sequence in a name. None is the end of another.
var infixes = []struct {
	text   string
	client Client
	shared bool
}{
	{"__rlock__", Kazoo, true},
	{"__lock__", Kazoo, false},
	{"__READ__", CuratorRW, true},
	{"__WRIT__", CuratorRW, false},
	{"read-", Document, true},
	{"write-", Document, false},
	{"lock-", Lock, false},
}

// Parse reads a name. False means that it is no contender: neither a known
// infix with a signed integer after it, nor ten digits at its end.
func Parse(name string) (Contender, bool) {
	start := len(name)
	for start > 0 && name[start-1] >= '0' && name[start-1] <= '9' {
		start--
	}
	if start == len(name) {
		return Contender{}, false
	}
	// No infix holds a digit, so the last one stands right before the integer,
	// whose minus may be taken for a part of it.
	if c, ok := parseInfix(name, start); ok {
		return c, true
	}
	if start > 0 && name[start-1] == '-' {
		if c, ok := parseInfix(name, start-1); ok {
			return c, true
		}
	}
	if len(name)-start < SequenceDigits {
		return Contender{}, false
	}
	seq, _ := integer(name[len(name)-SequenceDigits:])
	c := Contender{Name: name, Client: Script, Seq: seq, digits: SequenceDigits}
	if isWriteLock(c.Prefix()) {
		c.Client = WriteLock
	}
	return c, true
}

// parseInfix reads a name whose integer begins at start, if an infix stands
// before that.
func parseInfix(name string, start int) (Contender, bool) {
	head := name[:start]
	for _, in := range infixes {
		before, ok := strings.CutSuffix(head, in.text)
		if !ok {
			continue
		}
		seq, ok := integer(name[start:])
		if !ok {
			return Contender{}, false
		}
		c := Contender{Name: name, Client: in.client, Seq: seq, Shared: in.shared, digits: len(name) - start}
		c.guid = guid(before, in.client)
		if in.client == Lock {
			c.Client = lockClient(c.guid)
		}
		return c, true
	}
	return Contender{}, false
}

// integer reads digits with or without a minus before them.
func integer(s string) (int64, bool) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// guid takes the GUID out of what stands before an infix, as it is written.
func guid(head string, client Client) string {
	switch client {
	case Kazoo:
		if len(head) == 32 && hexDigits(head) == 32 {
			return head
		}
	case CuratorRW, Lock:
		id, ok := strings.CutPrefix(head, "_c_")
		id, dash := strings.CutSuffix(id, "-")
		if ok && dash && (isUUID(id) || len(id) == 32 && hexDigits(id) == 32) {
			return id
		}
	}
	return ""
}

// isUUID reports whether s is 32 hexadecimal digits with the dashes of a UUID.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for _, n := range []int{8, 4, 4, 4} {
		if hexDigits(s[:n]) != n || s[n] != '-' {
			return false
		}
		s = s[n+1:]
	}
	return hexDigits(s) == len(s)
}

// lockClient tells Curator's and go-zookeeper's protected names apart: the
// first has the dashes of a UUID.
func lockClient(guid string) Client {
	switch len(guid) {
	case 0:
		return Lock
	case 32:
		return GoZK
	}
	return Curator
}

// isWriteLock knows the prefix of ZooKeeper's WriteLock: x, the session in
// decimal (Java) or in 16 hexadecimal digits (C).
func isWriteLock(prefix string) bool {
	id, ok := strings.CutPrefix(prefix, "x-")
	id, dash := strings.CutSuffix(id, "-")
	if !ok || !dash || id == "" {
		return false
	}
	_, decimal := integer(id)
	return decimal || len(id) == 16 && hexDigits(id) == 16
}

// hexDigits returns how many hexadecimal digits s begins with.
func hexDigits(s string) int {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < '0' || c > '9' || s[i] != c) && (c < 'a' || c > 'f') {
			return i
		}
	}
	return len(s)
}

// Less orders contenders as they are served: the lower sequence first. Curator
// gives a reader under its own writer the writer's sequence; the writer goes
// first then, and names decide what is left.
func Less(a, b Contender) int {
	switch {
	case a.Seq != b.Seq:
		if a.Seq < b.Seq {
			return -1
		}
		return 1
	case a.Shared != b.Shared:
		if b.Shared {
			return -1
		}
		return 1
	}
	return strings.Compare(a.Name, b.Name)
}

// Conflicts reports whether the two cannot hold at the same time.
func Conflicts(a, b Contender) bool { return !a.Shared || !b.Shared }
