package recipe

import "strings"

// A Stand is what the children of a lock that is no semaphore say to one
// contender among them.
type Stand struct {
	There   bool        // it is among them
	Ahead   Contender   // the nearest of those that must be gone before it may hold; without a Name: nobody
	Blind   []Contender // those whose clients would not wait for it, as of Queue.Blind
	Unknown []string    // children that are no contenders
}

// Stand reads the children of a lock for the contender of that name. It does not
// put them in order: its time grows with their number alone, and most are read
// without more than a look at where their sequence stands.
//
// Whoever stands before a contender and conflicts with it must go first, its own
// other names (of the same GUID) left out.
func (r Recipe) Stand(children []string, name string, shared bool) Stand {
	var s Stand
	own, _ := r.Parse(name)
	ours := r.likeOurs(shared)
	for _, child := range children {
		if child == name {
			s.There = true
			continue
		}
		c, alike := r.alike(own, child)
		if !alike {
			var ok bool
			if c, ok = r.Parse(child); !ok {
				s.Unknown = append(s.Unknown, child)
				continue
			}
			if s.Blind == nil && r.blind(c, shared, ours) {
				s.Blind = r.Queue(children).Blind(shared)
			}
		}
		if Conflicts(c, own) && Less(c, own) < 0 && (s.Ahead.Name == "" || Less(s.Ahead, c) < 0) && !c.Ours(own) {
			s.Ahead = c
		}
	}
	if s.Ahead.Name != "" {
		s.Ahead, _ = r.Parse(s.Ahead.Name)
	}
	return s
}

// alike reads a name that differs from own in its GUID and sequence alone, by
// comparing what stands between the two. Such a contender's client waits for
// ours as ours does for it. Client is not set.
func (r Recipe) alike(own Contender, name string) (Contender, bool) {
	at := len(name) - SequenceDigits
	if len(name) != len(own.Name) || own.digits != SequenceDigits || own.guid == "" || r.name == "plain" {
		return Contender{}, false
	}
	from := strings.Index(own.Name, own.guid)
	end := from + len(own.guid)
	if name[:from] != own.Name[:from] || name[end:at] != own.Name[end:at] {
		return Contender{}, false
	}
	var seq int64
	for _, d := range []byte(name[at:]) {
		if d < '0' || d > '9' {
			return Contender{}, false
		}
		seq = 10*seq + int64(d-'0')
	}
	return Contender{Name: name, Seq: seq, Shared: own.Shared, guid: name[from:end], digits: SequenceDigits}, true
}
