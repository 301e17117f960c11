package plan

import (
	"encoding/json"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// showFormat is the version of the document of "show -json": the second number
// rises with additions, the first with anything that breaks a reader.
const showFormat = "1.0"

// The document of "show -json PLANFILE":
//
//	format_version
//	layout, config, mode, plan (its digest), created
//	resource_changes[]  address, previous_address, path, ensemble, kind,
//	                    change {actions, before, after}, action_reason
//	resource_drift[]    the same, for what was changed by hand
//	atomic              whether all of it is one transaction
//	ensembles[]         name, servers, chroot, ledger, atomic, reason
//	preconditions[]     path, czxid, version, aversion, ensemble
//	batches[]           ops, bytes, ensemble
//	blocked[]           address, path, ensemble, reason, detail, holders[]
//	warnings[]          summary, detail, address, path
//
// before and after are objects {kind, protected, policy, acl}, or null where
// there is no znode; an ACL that did not have to be read is left out.
type showJSON struct {
	FormatVersion   string             `json:"format_version"`
	Layout          string             `json:"layout"`
	Config          string             `json:"config,omitempty"`
	Mode            Mode               `json:"mode,omitempty"`
	Plan            string             `json:"plan"`
	Created         string             `json:"created,omitempty"`
	ResourceChanges []resourceJSON     `json:"resource_changes"`
	ResourceDrift   []resourceJSON     `json:"resource_drift"`
	Atomic          bool               `json:"atomic"`
	Ensembles       []showEnsembleJSON `json:"ensembles"`
	Preconditions   []showPreJSON      `json:"preconditions"`
	Batches         []showBatchJSON    `json:"batches"`
	Blocked         []showBlockedJSON  `json:"blocked"`
	Warnings        []problemJSON      `json:"warnings"`
}

type resourceJSON struct {
	Address         layout.Address `json:"address"`
	PreviousAddress layout.Address `json:"previous_address,omitempty"`
	Path            zkfs.Path      `json:"path"`
	Ensemble        string         `json:"ensemble"`
	Kind            layout.Kind    `json:"kind"`
	Change          showChangeJSON `json:"change"`
	ActionReason    string         `json:"action_reason,omitempty"`
}

type showChangeJSON struct {
	Actions []Action   `json:"actions"`
	Before  *stateJSON `json:"before"`
	After   *stateJSON `json:"after"`
}

// stateJSON is one side of a change. Of a no-op, and of drift, only what is
// known or differs is there.
type stateJSON struct {
	Kind      layout.Kind                `json:"kind,omitempty"`
	Protected *bool                      `json:"protected,omitempty"`
	Policy    map[string]json.RawMessage `json:"policy,omitempty"`
	ACL       aclJSON                    `json:"acl,omitempty"`
	Data      json.RawMessage            `json:"data,omitempty"`
}

type showEnsembleJSON struct {
	Name    string    `json:"name"`
	Servers []string  `json:"servers"`
	Chroot  zkfs.Path `json:"chroot,omitempty"`
	Ledger  zkfs.Path `json:"ledger"`
	Atomic  bool      `json:"atomic"`
	Header  string    `json:"header"`
}

type showPreJSON struct {
	preJSON
	Ensemble string `json:"ensemble"`
}

type showBatchJSON struct {
	Ops      int    `json:"ops"`
	Bytes    int    `json:"bytes"`
	Ensemble string `json:"ensemble"`
}

type showBlockedJSON struct {
	Address  layout.Address `json:"address,omitempty"`
	Path     zkfs.Path      `json:"path,omitempty"`
	Ensemble string         `json:"ensemble"`
	Reason   BlockReason    `json:"reason"`
	Detail   string         `json:"detail,omitempty"`
	Holders  []holderJSON   `json:"holders"`
}

// JSON returns the document of "show -json" for the plan, indented.
func (p *Plan) JSON() ([]byte, error) {
	doc := showJSON{
		FormatVersion: showFormat, Layout: p.Layout, Config: p.Config, Mode: p.Mode, Plan: p.Digest(), Atomic: true,
		ResourceChanges: []resourceJSON{}, ResourceDrift: []resourceJSON{}, Ensembles: []showEnsembleJSON{},
		Preconditions: []showPreJSON{}, Batches: []showBatchJSON{}, Blocked: []showBlockedJSON{}, Warnings: []problemJSON{},
	}
	if !p.Created.IsZero() {
		doc.Created = p.Created.Format("2006-01-02T15:04:05Z07:00")
	}
	for _, w := range p.Warnings {
		doc.Warnings = append(doc.Warnings, problemJSON{w.Summary, w.Detail, w.Address, w.Path, posToJSON(w.Pos)})
	}
	for i := range p.Ensembles {
		e := &p.Ensembles[i]
		doc.Atomic = doc.Atomic && e.Atomic()
		doc.Ensembles = append(doc.Ensembles, showEnsembleJSON{e.Name, e.Servers, e.Chroot, e.Ledger.Path, e.Atomic(), e.Header()})
		for j := range e.Steps {
			s := &e.Steps[j]
			doc.ResourceChanges = append(doc.ResourceChanges, s.resource(e.Name))
			doc.Preconditions = append(doc.Preconditions, showPreJSON{preJSON(s.Pre), e.Name})
		}
		for _, pre := range e.Others {
			doc.Preconditions = append(doc.Preconditions, showPreJSON{preJSON(pre), e.Name})
		}
		for j := range e.Drift {
			doc.ResourceDrift = append(doc.ResourceDrift, e.Drift[j].resource(e.Name))
		}
		for _, b := range e.Batches {
			doc.Batches = append(doc.Batches, showBatchJSON{b.Ops, b.Bytes, e.Name})
		}
		for j := range e.Blocked {
			b := e.Blocked[j].toJSON()
			doc.Blocked = append(doc.Blocked, showBlockedJSON{b.Address, b.Path, e.Name, b.Reason, b.Detail, b.Holders})
		}
	}
	return json.MarshalIndent(doc, "", "  ")
}

// resource returns the step as a resource change.
func (s *Step) resource(ensemble string) resourceJSON {
	r := resourceJSON{
		Address: s.Address, PreviousAddress: s.Previous, Path: s.Path, Ensemble: ensemble, Kind: s.Kind,
		Change: showChangeJSON{Actions: s.Actions}, ActionReason: s.Reason,
	}
	if !s.Has(Create) {
		r.Change.Before = stateOf(s.OldData, s.OldACL, s.Kind)
	}
	switch {
	case s.Has(Delete), s.Has(Disown):
	case s.Data == nil:
		r.Change.After = stateOf(s.OldData, s.OldACL, s.Kind)
		if s.ACL != nil {
			r.Change.After.ACL = aclJSON(s.ACL)
		}
	default:
		r.Change.After = stateOf(s.Data, s.ACL, s.Kind)
		if s.ACL == nil {
			r.Change.After.ACL = aclJSON(s.OldACL)
		}
	}
	return r
}

// stateOf returns what a record and an ACL say.
func stateOf(data []byte, acl zkfs.ACL, kind layout.Kind) *stateJSON {
	state := &stateJSON{Kind: kind, ACL: aclJSON(acl)}
	rec, err := layout.ParseRecord(data)
	if err != nil {
		return state
	}
	state.Kind, state.Protected = rec.Kind, &rec.Protected
	if rec.Policy != nil {
		state.Policy = make(map[string]json.RawMessage)
		for _, a := range rec.Policy.Attributes() {
			state.Policy[a.Name] = json.RawMessage(a.Value)
		}
	}
	return state
}

// resource returns the drift as a resource change, with the attributes that
// differ: before as recorded, after as in the tree.
func (d *Drift) resource(ensemble string) resourceJSON {
	r := resourceJSON{
		Address: d.Address, Path: d.Path, Ensemble: ensemble, Kind: d.Kind,
		Change: showChangeJSON{Actions: []Action{d.Action}, Before: &stateJSON{Kind: d.Kind}}, ActionReason: d.Reason,
	}
	if d.Action != Delete {
		r.Change.After = &stateJSON{Kind: d.Kind}
	}
	for _, c := range d.Changes {
		r.Change.Before.set(c.Name, c.Before)
		r.Change.After.set(c.Name, c.After)
	}
	return r
}

// set sets one attribute from its JSON; "" leaves it out.
func (s *stateJSON) set(name, value string) {
	if s == nil || value == "" {
		return
	}
	switch name {
	case "acl":
		s.ACL = aclJSON(parseACLValue(value))
	case "protected":
		protected := value == "true"
		s.Protected = &protected
	case "kind":
		_ = json.Unmarshal([]byte(value), &s.Kind)
	case "data":
		s.Data = json.RawMessage(value)
	default:
		if s.Policy == nil {
			s.Policy = make(map[string]json.RawMessage)
		}
		s.Policy[name] = json.RawMessage(value)
	}
}
