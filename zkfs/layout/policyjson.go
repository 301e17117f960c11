package layout

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/lockform/lockform/zkfs"
)

type policyJSON struct {
	Mode           Mode        `json:"mode"`
	Recipe         Recipe      `json:"recipe"`
	Permits        int         `json:"permits,omitempty"`
	Prefix         string      `json:"prefix,omitempty"`
	WaitTimeout    string      `json:"wait_timeout"`
	MaxHold        string      `json:"max_hold"`
	MaxWaiters     int         `json:"max_waiters"`
	SessionTimeout string      `json:"session_timeout"`
	TickTime       string      `json:"tick_time"`
	Heartbeat      Heartbeat   `json:"heartbeat"`
	OnLost         OnLost      `json:"on_lost"`
	KillTimeout    string      `json:"kill_timeout"`
	Reentrant      bool        `json:"reentrant"`
	Revocable      bool        `json:"revocable"`
	Rank           *int        `json:"rank,omitempty"`
	ContenderACL   []entryJSON `json:"contender_acl,omitempty"`
}

type entryJSON struct {
	Scheme string `json:"scheme"`
	ID     string `json:"id"`
	Perms  string `json:"perms"`
}

// ParsePolicy reads the policy of a lock from the data of its znode, for a
// client that takes the lock. The errors are those of ParseRecord; a managed
// znode that is no lock is ErrNotManaged.
func ParsePolicy(data []byte) (Policy, error) {
	// What is in order is decoded once; what is not is explained by ParseRecord.
	var j recordJSON
	if json.Unmarshal(data, &j) == nil && 1 <= j.Lockform && j.Lockform <= Format && j.Kind == KindLock && j.Policy != nil {
		if p, err := j.Policy.policy(); err == nil {
			return p, nil
		}
	}
	r, err := ParseRecord(data)
	switch {
	case err != nil:
		return Policy{}, err
	case r.Kind != KindLock:
		return Policy{}, fmt.Errorf("%w as a lock: it is a %s", ErrNotManaged, r.Kind)
	case r.Policy == nil:
		return Policy{}, fmt.Errorf("%w: a lock without a policy", ErrBadRecord)
	}
	return *r.Policy, nil
}

func (p Policy) toJSON() *policyJSON {
	j := &policyJSON{
		Mode: p.Mode, Recipe: p.Recipe, Permits: p.Permits, Prefix: p.Prefix,
		WaitTimeout: FormatDuration(p.WaitTimeout), MaxHold: FormatDuration(p.MaxHold), MaxWaiters: p.MaxWaiters,
		SessionTimeout: FormatDuration(p.SessionTimeout), TickTime: FormatDuration(p.TickTime),
		Heartbeat: p.Heartbeat, OnLost: p.OnLost, KillTimeout: FormatDuration(p.KillTimeout),
		Reentrant: p.Reentrant, Revocable: p.Revocable, Rank: p.Rank,
	}
	for _, e := range p.ContenderACL.Canonical() {
		j.ContenderACL = append(j.ContenderACL, entryJSON{e.Scheme, e.ID, e.Perms.String()})
	}
	return j
}

// policy reads what toJSON wrote. A field that is not there has its default:
// a record of an older release lacks the newer ones.
func (j *policyJSON) policy() (Policy, error) {
	p := DefaultPolicy()
	if j.Mode != "" {
		p.Mode = j.Mode
	}
	if j.Recipe != "" {
		p.Recipe = j.Recipe
	}
	if j.Heartbeat != "" {
		p.Heartbeat = j.Heartbeat
	}
	if j.OnLost != "" {
		p.OnLost = j.OnLost
	}
	p.Permits, p.Prefix, p.MaxWaiters, p.Rank = j.Permits, j.Prefix, j.MaxWaiters, j.Rank
	p.Reentrant, p.Revocable = j.Reentrant, j.Revocable
	for _, f := range []struct {
		name, text string
		to         *time.Duration
		parse      func(string) (time.Duration, error)
	}{
		{"wait_timeout", j.WaitTimeout, &p.WaitTimeout, ParseLimit},
		{"max_hold", j.MaxHold, &p.MaxHold, ParseLimit},
		{"session_timeout", j.SessionTimeout, &p.SessionTimeout, ParseDuration},
		{"tick_time", j.TickTime, &p.TickTime, ParseDuration},
		{"kill_timeout", j.KillTimeout, &p.KillTimeout, ParseDuration},
	} {
		if f.text == "" {
			continue
		}
		d, err := f.parse(f.text)
		if err != nil {
			return Policy{}, fmt.Errorf("%s: %w", f.name, err)
		}
		*f.to = d
	}
	for _, e := range j.ContenderACL {
		perms, err := zkfs.ParsePerms(e.Perms)
		if err != nil {
			return Policy{}, fmt.Errorf("contender_acl: %w", err)
		}
		p.ContenderACL = append(p.ContenderACL, zkfs.Entry{Perms: perms, Identity: zkfs.Identity{Scheme: e.Scheme, ID: e.ID}})
	}
	if errs := p.Validate(); len(errs) > 0 {
		return Policy{}, errs[0]
	}
	return p, nil
}

// Attributes returns the policy as name and text, in the order of the language
// reference, for showing differences. Attributes that do not apply (permits of
// an exclusive lock) are left out.
func (p Policy) Attributes() []Attribute {
	all := make([]Attribute, 0, len(attributeOrder))
	for _, name := range attributeOrder {
		if v, ok := p.attribute(name); ok {
			all = append(all, Attribute{name, v})
		}
	}
	return all
}

// attribute returns the value of one attribute as it stands in a record, and
// false when it does not stand there.
func (p Policy) attribute(name string) (string, bool) {
	text := func(s string) (string, bool) {
		data, err := marshal(s)
		return string(data), err == nil
	}
	switch name {
	case "mode":
		return text(string(p.Mode))
	case "permits":
		return strconv.Itoa(p.Permits), p.Permits != 0
	case "recipe":
		return text(string(p.Recipe))
	case "prefix":
		v, _ := text(p.Prefix)
		return v, p.Prefix != ""
	case "wait_timeout":
		return text(FormatDuration(p.WaitTimeout))
	case "max_hold":
		return text(FormatDuration(p.MaxHold))
	case "max_waiters":
		return strconv.Itoa(p.MaxWaiters), true
	case "session_timeout":
		return text(FormatDuration(p.SessionTimeout))
	case "tick_time":
		return text(FormatDuration(p.TickTime))
	case "heartbeat":
		return text(string(p.Heartbeat))
	case "on_lost":
		return text(string(p.OnLost))
	case "kill_timeout":
		return text(FormatDuration(p.KillTimeout))
	case "reentrant":
		return strconv.FormatBool(p.Reentrant), true
	case "revocable":
		return strconv.FormatBool(p.Revocable), true
	case "rank":
		if p.Rank == nil {
			return "", false
		}
		return strconv.Itoa(*p.Rank), true
	case "contender_acl":
		entries := p.toJSON().ContenderACL
		data, err := marshal(entries)
		return string(data), err == nil && len(entries) > 0
	}
	return "", false
}

// An Attribute is a policy attribute with its value as JSON.
type Attribute struct{ Name, Value string }

var attributeOrder = []string{"mode", "permits", "recipe", "prefix", "wait_timeout", "max_hold", "max_waiters",
	"session_timeout", "tick_time", "heartbeat", "on_lost", "kill_timeout", "reentrant", "revocable", "rank", "contender_acl"}

// AttributeLess reports whether the policy attribute a comes before b in the
// order of the language reference.
func AttributeLess(a, b string) bool {
	return slices.Index(attributeOrder, a) < slices.Index(attributeOrder, b)
}
