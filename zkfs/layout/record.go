package layout

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// MaxRecord is the largest encoded record, in bytes.
const MaxRecord = 4096

// Format is the major version of the records that this package writes.
const Format = 1

// What reading a znode's data as a record can end with.
var (
	// ErrNotManaged means that the data is no record: somebody else's znode.
	ErrNotManaged = errors.New("not managed by lockform")
	// ErrNewerFormat means that a later release wrote the record.
	ErrNewerFormat = errors.New("written by a newer lockform; upgrade this one")
	// ErrBadRecord means that the data claims to be a record and is not one.
	ErrBadRecord = errors.New("a damaged lockform record")
)

// A Record is the data of a managed znode: who owns it and, for a lock, its
// policy. Its JSON is compact, at most MaxRecord bytes and stable between
// releases; fields that this release does not know are kept.
type Record struct {
	Layout    string
	Address   Address
	Kind      Kind
	Protected bool
	Spec      string  // digest of the written values, see Spec
	Aversion  int32   // of the znode when its ACL was last applied
	Policy    *Policy // locks only

	extra, policyExtra map[string]json.RawMessage
}

type recordJSON struct {
	Lockform  int         `json:"lockform"`
	Layout    string      `json:"layout"`
	Address   Address     `json:"address,omitempty"`
	Kind      Kind        `json:"kind"`
	Protected bool        `json:"protected,omitempty"`
	Spec      string      `json:"spec,omitempty"`
	Aversion  int32       `json:"aversion"`
	Policy    *policyJSON `json:"policy,omitempty"`
}

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

// Encode returns the record as data of a znode. The error says that it is
// larger than MaxRecord.
func (r Record) Encode() ([]byte, error) {
	j := recordJSON{Format, r.Layout, r.Address, r.Kind, r.Protected, r.Spec, r.Aversion, nil}
	if r.Policy != nil {
		j.Policy = r.Policy.toJSON()
	}
	data, err := marshal(j)
	if err != nil {
		return nil, err
	}
	if len(r.policyExtra) > 0 && j.Policy != nil {
		// Rewritten from its parts: what is not known goes after what is.
		p, err := marshal(j.Policy)
		if err != nil {
			return nil, err
		}
		q := withExtra(p, r.policyExtra)
		data = bytes.Replace(data, p, q, 1)
	}
	data = withExtra(data, r.extra)
	if len(data) > MaxRecord {
		return nil, fmt.Errorf("its record has %d bytes, more than the %d that a record may have", len(data), MaxRecord)
	}
	return data, nil
}

// KeepUnknown copies from old the fields that this release does not know, so
// that writing r over it loses none.
func (r *Record) KeepUnknown(old Record) {
	r.extra, r.policyExtra = old.extra, old.policyExtra
}

// marshal leaves <, > and & as they are: other programs and people read it.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// withExtra appends fields to an encoded object that is not empty.
func withExtra(object []byte, extra map[string]json.RawMessage) []byte {
	if len(extra) == 0 {
		return object
	}
	names := make([]string, 0, len(extra))
	for name := range extra {
		names = append(names, name)
	}
	slices.Sort(names)
	b := bytes.TrimSuffix(slices.Clone(object), []byte("}"))
	for _, name := range names {
		key, _ := marshal(name)
		b = append(append(append(append(b, ','), key...), ':'), extra[name]...)
	}
	return append(b, '}')
}

// ParseRecord reads the data of a znode. The error is ErrNotManaged,
// ErrNewerFormat or ErrBadRecord, wrapped with its reason; name the path when
// you pass it on.
func ParseRecord(data []byte) (Record, error) {
	fields, ok := object(data)
	if !ok || fields["lockform"] == nil {
		return Record{}, ErrNotManaged
	}
	var format int
	if err := json.Unmarshal(fields["lockform"], &format); err != nil || format < 1 {
		return Record{}, fmt.Errorf("%w: its format is not a number", ErrBadRecord)
	}
	if format > Format {
		return Record{}, fmt.Errorf("%w (format %d, this one knows %d)", ErrNewerFormat, format, Format)
	}
	var j recordJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return Record{}, fmt.Errorf("%w: %v", ErrBadRecord, err)
	}
	inner, _ := object(fields["policy"])
	r := Record{
		Layout: j.Layout, Address: j.Address, Kind: j.Kind, Protected: j.Protected,
		Spec: j.Spec, Aversion: j.Aversion,
		extra: unknown(fields, "lockform", "layout", "address", "kind", "protected", "spec", "aversion", "policy"),
	}
	if j.Kind == "" {
		return Record{}, fmt.Errorf("%w: it has no kind", ErrBadRecord)
	}
	if j.Policy != nil {
		p, err := j.Policy.policy()
		if err != nil {
			return Record{}, fmt.Errorf("%w: policy.%v", ErrBadRecord, err)
		}
		r.Policy = &p
		r.policyExtra = unknown(inner, "mode", "recipe", "permits", "prefix", "wait_timeout", "max_hold",
			"max_waiters", "session_timeout", "tick_time", "heartbeat", "on_lost", "kill_timeout",
			"reentrant", "revocable", "rank", "contender_acl")
	}
	return r, nil
}

// ParsePolicy reads the policy of a lock from the data of its znode, for a
// client that takes the lock. The errors are those of ParseRecord; a managed
// znode that is no lock is ErrNotManaged.
func ParsePolicy(data []byte) (Policy, error) {
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

func object(data []byte) (map[string]json.RawMessage, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return nil, false
	}
	return fields, fields != nil
}

func unknown(fields map[string]json.RawMessage, known ...string) map[string]json.RawMessage {
	for _, k := range known {
		delete(fields, k)
	}
	if len(fields) == 0 {
		return nil
	}
	return fields
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

// Spec returns the digest of what the configuration wrote about a namespace:
// its ACL and protection.
func (n Namespace) Spec() string { return n.spec(KindNamespace, nil) }

// Spec returns the digest of what the configuration wrote about a lock: its
// ACL, protection and the policy attributes that are set, grants sorted,
// durations normalised, no defaults.
func (l Lock) Spec() string {
	written := map[string]string{}
	for _, name := range l.Policy.Written {
		if v, ok := l.Policy.attribute(name); ok {
			written[name] = v
		}
	}
	return l.spec(KindLock, written)
}

func (d Declared) spec(kind Kind, policy map[string]string) string {
	acl := []string{}
	for _, e := range d.ACL.Canonical() {
		acl = append(acl, e.String())
	}
	data, _ := marshal(struct {
		Kind      Kind              `json:"kind"`
		ACL       []string          `json:"acl"`
		Protected bool              `json:"protected,omitempty"`
		Policy    map[string]string `json:"policy,omitempty"`
	}{kind, acl, d.Protected, policy})
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// WrittenList sorts names and removes duplicates, for Policy.Written.
func WrittenList(names []string) []string {
	s := slices.Clone(names)
	slices.SortFunc(s, strings.Compare)
	return slices.Compact(s)
}
