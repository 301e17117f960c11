package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/lockform/lockform/zkfs"
)

// MaxRecord is the largest encoded record, in bytes.
const MaxRecord = 4096

// Format is the major version of the records that this package writes.
const Format = 1

// What is known of a layout's ledger without its configuration.
const (
	// DefaultLedger is where the ledgers of all layouts stand that name no other
	// place: each below it, under the layout's name.
	DefaultLedger = zkfs.Path("/lockform")
	// AgentsName is the child of a ledger below which agents list their sessions.
	AgentsName = "agents"
)

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
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.Clone(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// buffers are reused: a plan of a large tree encodes every record.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

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
