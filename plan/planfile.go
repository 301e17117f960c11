package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A plan file is one JSON document:
//
//	{"lockform_plan":1,"sha256":"…","plan":{…}}
//
// sha256 is that of the bytes of "plan" as they stand there, in hexadecimal; the
// same value with "sha256:" before it names the plan in ledger and history. The
// file is written compact, and a file that would be written in any other way is
// refused as altered, as is one with fields that this release does not know.
//
// The fields of "plan":
//
//	layout      the layout's name
//	config      digest of the configuration and its variables, "sha256:…"
//	mode        "destroy" or "refresh-only"; absent for an ordinary plan
//	partial     true when made with targets or excludes
//	abandon     true when it gives an unfinished run up
//	created     RFC 3339, UTC
//	ensembles   for each ensemble:
//	  name, servers, chroot
//	  connection    digest of everything in the ensemble block but secrets
//	  ledger        path, serial as read, roots and below after and before,
//	                planners, siblings, complete, a former ledger that is taken
//	                over, and the ACLs of what is made
//	  steps         in the order of applying, for each znode:
//	    address, previous, path, kind, actions, reason
//	    data        the record to write; "clear":true instead clears the data
//	    old         the record that was read
//	    foreign     bytes of other data that are overwritten
//	    acl         to create with or to set; old_acl as it was read
//	    pre         path, czxid, version, aversion; czxid 0: absent; -1: any
//	    pos         file, line, column
//	  others        preconditions of znodes without a step
//	  drift, blocked as "show -json" has them, with positions
//	  batches       from, to (indices of steps), ops, bytes
//	  acls          indices of the steps that set ACLs, in the order of applying
//	warnings    summary, detail and position
//
// ACLs are lists of "scheme:id:perms". Nothing in it is a secret: passwords
// never reach a plan, only the digests that ZooKeeper itself stores.

// planFormat is the major format of plan files.
const planFormat = 1

type fileJSON struct {
	Format int             `json:"lockform_plan"`
	SHA256 string          `json:"sha256"`
	Plan   json.RawMessage `json:"plan"`
}

type planJSON struct {
	Layout    string         `json:"layout"`
	Config    string         `json:"config,omitempty"`
	Mode      Mode           `json:"mode,omitempty"`
	Partial   bool           `json:"partial,omitempty"`
	Abandon   bool           `json:"abandon,omitempty"`
	Created   time.Time      `json:"created,omitzero"`
	Ensembles []ensembleJSON `json:"ensembles"`
	Warnings  []problemJSON  `json:"warnings,omitempty"`
}

type ensembleJSON struct {
	Name       string        `json:"name"`
	Servers    []string      `json:"servers,omitempty"`
	Chroot     zkfs.Path     `json:"chroot,omitempty"`
	Connection string        `json:"connection,omitempty"`
	Ledger     ledgerOfPlan  `json:"ledger"`
	Steps      []stepJSON    `json:"steps"`
	Others     []preJSON     `json:"others,omitempty"`
	Drift      []driftJSON   `json:"drift,omitempty"`
	Blocked    []blockedJSON `json:"blocked,omitempty"`
	Batches    []batchJSON   `json:"batches,omitempty"`
	ACLs       []int         `json:"acls,omitempty"`
}

type ledgerOfPlan struct {
	Path     zkfs.Path   `json:"path"`
	Serial   int64       `json:"serial"`
	Roots    []zkfs.Path `json:"roots,omitempty"`
	Below    []zkfs.Path `json:"below,omitempty"`
	Before   []zkfs.Path `json:"before,omitempty"`
	Former   *formerJSON `json:"former,omitempty"`
	Complete string      `json:"complete,omitempty"`
	Planners []idJSON    `json:"planners,omitempty"`
	Siblings []string    `json:"siblings,omitempty"`
	ACL      aclJSON     `json:"acl,omitempty"`
	Agents   aclJSON     `json:"agents,omitempty"`
	Parent   aclJSON     `json:"parent,omitempty"`
	Ancestor aclJSON     `json:"ancestor,omitempty"`
}

type formerJSON struct {
	preJSON
	Data json.RawMessage `json:"data"`
}

type stepJSON struct {
	Address  layout.Address  `json:"address,omitempty"`
	Previous layout.Address  `json:"previous,omitempty"`
	Path     zkfs.Path       `json:"path"`
	Kind     layout.Kind     `json:"kind"`
	Actions  []Action        `json:"actions"`
	Reason   string          `json:"reason,omitempty"`
	Clear    bool            `json:"clear,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Old      json.RawMessage `json:"old,omitempty"`
	Foreign  int             `json:"foreign,omitempty"`
	ACL      aclJSON         `json:"acl,omitempty"`
	OldACL   aclJSON         `json:"old_acl,omitempty"`
	Pre      preJSON         `json:"pre"`
	Pos      *posJSON        `json:"pos,omitempty"`
}

type preJSON struct {
	Path     zkfs.Path `json:"path"`
	Czxid    int64     `json:"czxid"`
	Version  int32     `json:"version"`
	Aversion int32     `json:"aversion"`
}

type posJSON struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column,omitempty"`
}

type changeJSON struct {
	Name   string          `json:"name"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

type driftJSON struct {
	Address layout.Address `json:"address,omitempty"`
	Path    zkfs.Path      `json:"path"`
	Kind    layout.Kind    `json:"kind"`
	Action  Action         `json:"action"`
	Reason  string         `json:"reason,omitempty"`
	Changes []changeJSON   `json:"changes,omitempty"`
	Pos     *posJSON       `json:"pos,omitempty"`
}

type blockedJSON struct {
	Address layout.Address `json:"address,omitempty"`
	Path    zkfs.Path      `json:"path,omitempty"`
	Reason  BlockReason    `json:"reason"`
	Detail  string         `json:"detail,omitempty"`
	Holders []holderJSON   `json:"holders"`
	Pos     *posJSON       `json:"pos,omitempty"`
	At      zkfs.Path      `json:"at,omitempty"`
	Lacks   string         `json:"lacks,omitempty"` // letters
}

type holderJSON struct {
	Name    string `json:"name"`
	Holds   bool   `json:"holds"`
	Mode    string `json:"mode,omitempty"`
	Owner   string `json:"owner,omitempty"`
	Host    string `json:"host,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Since   string `json:"since,omitempty"`
	Token   int64  `json:"token"`
	Session int64  `json:"session,omitempty"`
}

type batchJSON struct {
	From  int `json:"from"`
	To    int `json:"to"`
	Ops   int `json:"ops"`
	Bytes int `json:"bytes"`
}

type problemJSON struct {
	Summary string         `json:"summary"`
	Detail  string         `json:"detail,omitempty"`
	Address layout.Address `json:"address,omitempty"`
	Path    zkfs.Path      `json:"path,omitempty"`
	Pos     *posJSON       `json:"pos,omitempty"`
}

// Encode returns the plan as the content of a plan file.
func (p *Plan) Encode() ([]byte, error) {
	body, sum := p.encode()
	return jsonOf(fileJSON{planFormat, sum, body}), nil
}

// Digest returns the SHA-256 of the plan, "sha256:…", by which ledger and
// history name it. It takes a while for a large plan, unless that came from a
// file.
func (p *Plan) Digest() string {
	if p.digest != "" {
		return p.digest
	}
	return "sha256:" + p.sum()
}

// encode returns the plan as JSON and the hexadecimal SHA-256 of that.
func (p *Plan) encode() (body []byte, sum string) {
	var b bytes.Buffer
	p.write(&b)
	return b.Bytes(), sumOf(b.Bytes())
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Decode reads a plan file. It is refused when it was altered.
func Decode(data []byte) (*Plan, error) {
	var f fileJSON
	if err := strict(data, &f); err != nil {
		return nil, badFile("It is not one: %v.", err)
	}
	if f.Format != planFormat {
		return nil, badFile("It has format %d; this release reads %d.", f.Format, planFormat)
	}
	if sumOf(f.Plan) != f.SHA256 {
		return nil, badFile("It was altered: its SHA-256 is not the one that it names.")
	}
	var j planJSON
	if err := strict(f.Plan, &j); err != nil {
		return nil, badFile("It cannot be read: %v.", err)
	}
	p, err := j.plan()
	if err != nil {
		return nil, badFile("It cannot be read: %v.", err)
	}
	p.digest = "sha256:" + f.SHA256
	if again, _ := p.Encode(); !bytes.Equal(again, bytes.TrimSuffix(data, []byte("\n"))) {
		return nil, badFile("It was altered: it is not written as plans are.")
	}
	return p, nil
}

func badFile(format string, args ...any) error {
	return &Error{Kind: ErrPlanFile, Problems: []Problem{{
		Summary: "The plan file cannot be used",
		Detail:  fmt.Sprintf(format, args...) + "\n" + `Make another with "lockform plan -out=FILE".`,
	}}}
}

// strict decodes one JSON value and nothing more, without unknown fields.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows its end")
	}
	return nil
}

// aclJSON is an ACL as a list of "scheme:id:perms"; null is none at all.
type aclJSON zkfs.ACL

// MarshalJSON writes the entries in their order.
func (a aclJSON) MarshalJSON() ([]byte, error) { return appendACL(nil, zkfs.ACL(a)), nil }

// UnmarshalJSON reads what MarshalJSON wrote.
func (a *aclJSON) UnmarshalJSON(data []byte) error {
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*a = aclJSON{}
	for _, s := range list {
		scheme, rest, ok := strings.Cut(s, ":")
		colon := strings.LastIndexByte(rest, ':')
		if !ok || colon < 0 {
			return fmt.Errorf("%q is not an ACL entry", s)
		}
		perms, err := zkfs.ParsePerms(rest[colon+1:])
		if err != nil {
			return err
		}
		*a = append(*a, zkfs.Entry{Perms: perms, Identity: zkfs.Identity{Scheme: scheme, ID: rest[:colon]}})
	}
	return nil
}

// idJSON is an identity as "scheme:id".
type idJSON zkfs.Identity

// MarshalJSON writes "scheme:id".
func (i idJSON) MarshalJSON() ([]byte, error) { return jsonOf(zkfs.Identity(i).String()), nil }

// UnmarshalJSON reads what MarshalJSON wrote.
func (i *idJSON) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	var ok bool
	if i.Scheme, i.ID, ok = strings.Cut(s, ":"); !ok {
		return fmt.Errorf("%q is not an identity", s)
	}
	return nil
}
