package layout

import (
	"fmt"
	"strconv"
	"strings"
)

// An Address names a declared block, such as
//
//	namespace.jobs["billing"].namespace.adhoc.lock.x["03"]
//
// in canonical form: keys quoted as Go strings, no spaces. The zero Address
// names nothing.
type Address string

// A Step is one block of an address.
type Step struct {
	Type  string // "namespace" or "lock"
	Label string
	Key   *string // nil without for_each, or for all instances
}

// String returns the step in the form it has in an address.
func (s Step) String() string {
	if s.Key == nil {
		return s.Type + "." + s.Label
	}
	return s.Type + "." + s.Label + "[" + strconv.Quote(*s.Key) + "]"
}

// Child returns the address of a block inside of a; a may be zero.
func (a Address) Child(s Step) Address {
	if a == "" {
		return Address(s.String())
	}
	return a + "." + Address(s.String())
}

// Steps takes the address apart. An address that ParseAddress did not accept
// gives nil.
func (a Address) Steps() []Step {
	steps, _ := splitAddress(string(a))
	return steps
}

// Covers reports whether b is a, an instance of it, or inside of one: an
// address without a key stands for all instances, one of a namespace includes
// what is inside.
func (a Address) Covers(b Address) bool {
	as, bs := a.Steps(), b.Steps()
	if len(as) == 0 || len(as) > len(bs) {
		return false
	}
	for i, s := range as {
		t := bs[i]
		if s.Type != t.Type || s.Label != t.Label || s.Key != nil && (t.Key == nil || *s.Key != *t.Key) {
			return false
		}
	}
	return true
}

// ParseAddress reads an address and returns its canonical form.
func ParseAddress(s string) (Address, error) {
	steps, err := splitAddress(s)
	if err != nil {
		return "", err
	}
	var a Address
	for _, step := range steps {
		a = a.Child(step)
	}
	return a, nil
}

func splitAddress(s string) ([]Step, error) {
	bad := func(why string) ([]Step, error) {
		return nil, fmt.Errorf(`%q is not an address: %s; write it like namespace.jobs["billing"].lock.report`, s, why)
	}
	var steps []Step
	rest := s
	for {
		var step Step
		var ok bool
		step.Type, rest, ok = strings.Cut(rest, ".")
		if !ok || step.Type != "namespace" && step.Type != "lock" {
			return bad(`each part begins with "namespace." or "lock."`)
		}
		if len(steps) > 0 && steps[len(steps)-1].Type == "lock" {
			return bad("nothing can be inside of a lock")
		}
		n := strings.IndexAny(rest, ".[")
		if n < 0 {
			n = len(rest)
		}
		step.Label, rest = rest[:n], rest[n:]
		if !validLabel(step.Label) {
			return bad(fmt.Sprintf("%q is not a label", step.Label))
		}
		if strings.HasPrefix(rest, "[") {
			quoted, err := strconv.QuotedPrefix(rest[1:])
			if err != nil || quoted[0] != '"' || !strings.HasPrefix(rest[1+len(quoted):], "]") {
				return bad("a key is a quoted string in brackets")
			}
			key, err := strconv.Unquote(quoted)
			if err != nil {
				return bad("a key is a quoted string in brackets")
			}
			step.Key, rest = &key, rest[len(quoted)+2:]
		}
		steps = append(steps, step)
		if rest == "" {
			return steps, nil
		}
		if rest[0] != '.' {
			return bad("a dot is missing")
		}
		rest = rest[1:]
	}
}

// validLabel accepts what HCL accepts as an identifier, in ASCII.
func validLabel(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != ""
}
