package plan

import (
	"slices"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// Mode says what a plan is to bring about.
type Mode string

// The modes.
const (
	Normal      Mode = ""             // the tree as the configuration says
	Destroy     Mode = "destroy"      // nothing of the layout is left but ledger and history
	RefreshOnly Mode = "refresh-only" // the records accept what has drifted; nothing else changes
)

// Action is what a step does with its znode. The words are those that users
// see.
type Action string

// The actions. Move and the updates may come together in one step.
const (
	NoOp         Action = "no-op"
	Create       Action = "create"
	Adopt        Action = "adopt"         // take over a znode that nobody owns
	UpdatePolicy Action = "update policy" // write the record: policy, protection, kind
	UpdateACL    Action = "update ACL"
	Move         Action = "move"   // rewrite the recorded address
	Disown       Action = "disown" // clear the record and leave the znode
	Delete       Action = "delete"
	Rotate       Action = "rotate"  // make an empty lock anew, so that its sequence begins again
	Refresh      Action = "refresh" // RefreshOnly: record what has drifted
)

// Options say what a plan covers. The zero value covers the whole layout.
type Options struct {
	Mode      Mode
	Targets   []layout.Address // only these, what is inside, and the namespaces they need; nil: all
	Excludes  []layout.Address // not these nor what is inside
	MaxDelete *int             // more deletes than this are blocked; nil: no bound
	Abandon   bool             // give up an unfinished run of another configuration
	Imports   []layout.Import  // besides those of the layout
	Disown    []layout.Address // "state rm": disown these and do nothing else
	Rotate    []layout.Address // locks to make anew, which must be empty
	Forget    []string         // ensembles that go: those given to Read and Diff are destroyed, the others' ledgers forget them, and nothing else is done
	Created   time.Time        // the plan's time, for its file

	maxBatch int  // bytes, instead of MaxBatch
	idle     bool // nothing is to be done but to write the ledger
}

// partial reports whether the options leave a part of the layout out.
func (o Options) partial() bool {
	return len(o.Targets) > 0 || len(o.Excludes) > 0 || len(o.Disown) > 0
}

// in returns the options for one ensemble.
func (o Options) in(ensemble string) Options {
	switch {
	case len(o.Forget) == 0:
	case slices.Contains(o.Forget, ensemble):
		o = Options{Mode: Destroy, Abandon: o.Abandon, maxBatch: o.maxBatch}
	default:
		o.idle = true
	}
	return o
}

// covers reports whether the options let a plan touch the address.
func (o Options) covers(a layout.Address) bool {
	in := func(list []layout.Address) bool {
		return slices.ContainsFunc(list, func(x layout.Address) bool { return x.Covers(a) })
	}
	if len(o.Disown) > 0 && !in(o.Disown) {
		return false
	}
	return (len(o.Targets) == 0 || in(o.Targets)) && !in(o.Excludes)
}

// A Plan says what is to be done to make a live tree what a layout declares. It
// is a value: nothing in it refers to a session. Do not change it once it is
// made; it is then safe for concurrent use.
type Plan struct {
	Layout    string
	Config    string // digest of the configuration and its variables
	Mode      Mode
	Partial   bool // made with targets or excludes
	Abandon   bool // gives up an unfinished run
	Created   time.Time
	Ensembles []Ensemble
	Warnings  []Problem

	digest string // of a plan that was decoded; see Digest
}

// An Ensemble is the part of a plan that concerns one ZooKeeper. It is atomic
// for itself.
type Ensemble struct {
	Name       string
	Servers    []string
	Chroot     zkfs.Path
	Connection string // digest of everything in the ensemble block but secrets
	Ledger     LedgerPlan
	Steps      []Step         // in the order of applying: parents before children, deletes last and child first
	Others     []Precondition // of znodes that have no step: existing ancestors
	Drift      []Drift
	Blocked    []Blocked
	Batches    []Batch
	ACLs       []int // steps that set an ACL, by index, in the order of applying: revocations first
}

// A LedgerPlan is what a plan knows of, and wants from, one ledger.
type LedgerPlan struct {
	Path     zkfs.Path
	Serial   int64       // as it was read; 0: there was none, or no run yet
	Roots    []zkfs.Path // topmost managed znodes afterwards
	Below    []zkfs.Path // see Ledger.Below
	Before   []zkfs.Path // roots and belows that were recorded, and must not be forgotten on the way
	Former   *Former     // a ledger to take over; nil for none
	Complete string      // digest of the configuration that is applied in full afterwards; "" for none
	Planners []zkfs.Identity
	Siblings []string // names of all ensembles of the layout
	ACL      zkfs.ACL // of the ledger, its history and apply lock
	Agents   zkfs.ACL // of the inventory of agents
	Parent   zkfs.ACL // of the ledger's parent, if it is created
	Ancestor zkfs.ACL // of all other created ancestors
}

// A Former is the ledger of a layout that had another name or place. The first
// write of the plan sets its data, so that nobody applies by it any more.
type Former struct {
	Precondition
	Data []byte
}

// A Precondition is how a znode looked when the plan was made. Czxid 0 means
// that it did not exist. Version or Aversion -1 means that any will do.
type Precondition struct {
	Path     zkfs.Path
	Czxid    int64 // the transaction that created the znode
	Version  int32 // of its data
	Aversion int32 // of its ACL
}

// A Step is what a plan does with one znode, a no-op included.
type Step struct {
	Address  layout.Address // "" for an ancestor that nobody declared
	Previous layout.Address // the recorded address, when it is another one
	Path     zkfs.Path
	Kind     layout.Kind
	Actions  []Action // never empty; NoOp alone
	Reason   string   // why, where it is not plain: such as "not declared any more"
	Data     []byte   // to write; nil leaves the data, an empty one clears it
	OldData  []byte   // the record that was read; nil when there was none
	Foreign  int      // bytes of data that are no record and are overwritten
	ACL      zkfs.ACL // to create with or to set; nil leaves the ACL
	OldACL   zkfs.ACL // that was read; nil when it was not
	Pre      Precondition
	Pos      layout.Pos // of the block in the configuration; zero when there is none
}

// Has reports whether the step does a.
func (s *Step) Has(a Action) bool { return slices.Contains(s.Actions, a) }

// makes reports whether the step creates its znode.
func (s *Step) makes() bool { return s.Has(Create) || s.Has(Rotate) }

// empties reports whether the step needs its znode to be without children.
func (s *Step) empties() bool { return s.Has(Delete) || s.Has(Rotate) }

// NoOp reports whether the step does nothing.
func (s *Step) NoOp() bool { return s.Has(NoOp) }

// A Change is the difference of one attribute. The values are JSON; "" means
// that there is none on that side.
type Change struct {
	Name          string // such as "mode" or "acl"
	Before, After string
}

// A Drift is a difference between the live tree and what was last applied.
type Drift struct {
	Address layout.Address
	Path    zkfs.Path
	Kind    layout.Kind
	Action  Action // what happened to it: UpdatePolicy, UpdateACL or Delete
	Reason  string // a sentence without its period
	Changes []Change
	Pos     layout.Pos
}

// A Blocked is a reason why apply will refuse the plan.
type Blocked struct {
	Address layout.Address
	Path    zkfs.Path // "" when it concerns the plan as a whole
	Reason  BlockReason
	Detail  string // what is in the way and what to do, in sentences
	Holders []Holder
	Pos     layout.Pos

	At    zkfs.Path  // BlockPermission: the znode whose ACL is in the way
	Lacks zkfs.Perms // BlockPermission: what it does not give
}

// BlockReason says why something cannot be done.
type BlockReason string

// The reasons.
const (
	BlockProtected  BlockReason = "protected"        // the znode's record forbids the delete
	BlockHeld       BlockReason = "held"             // a lock with contenders
	BlockChildren   BlockReason = "foreign children" // children that stay
	BlockOwned      BlockReason = "owned by another layout"
	BlockUnmanaged  BlockReason = "unmanaged" // somebody's znode stands in the way
	BlockDamaged    BlockReason = "damaged record"
	BlockNewer      BlockReason = "newer format"
	BlockMaxDelete  BlockReason = "max-delete"
	BlockUnfinished BlockReason = "unfinished run"
	BlockPermission BlockReason = "permission" // an ACL does not let this run do it
)

// A Batch is one multi: the steps From ≤ i < To.
type Batch struct {
	From, To int
	Ops      int // operations, the ledger's and the lock's included
	Bytes    int // at most, encoded
}

// Atomic reports whether the ensemble's part is carried out by one multi and
// nothing else.
func (e *Ensemble) Atomic() bool { return len(e.Batches) <= 1 && len(e.ACLs) == 0 }

// Empty reports whether there is nothing to do.
func (e *Ensemble) Empty() bool { return len(e.Batches) == 0 && len(e.ACLs) == 0 }

// Ensemble returns the part for the ensemble of that name.
func (p *Plan) Ensemble(name string) (*Ensemble, bool) {
	for i := range p.Ensembles {
		if p.Ensembles[i].Name == name {
			return &p.Ensembles[i], true
		}
	}
	return nil, false
}

// Empty reports whether the plan changes nothing. There may be drift all the
// same: a change by hand to what the configuration says anyway.
func (p *Plan) Empty() bool {
	return !slices.ContainsFunc(p.Ensembles, func(e Ensemble) bool { return !e.Empty() || len(e.Blocked) > 0 })
}

// HasDrift reports whether the tree has changed since it was last applied.
func (p *Plan) HasDrift() bool {
	return slices.ContainsFunc(p.Ensembles, func(e Ensemble) bool { return len(e.Drift) > 0 })
}

// HasBlocked reports whether apply will refuse the plan.
func (p *Plan) HasBlocked() bool {
	return slices.ContainsFunc(p.Ensembles, func(e Ensemble) bool { return len(e.Blocked) > 0 })
}

// A Summary counts what a plan does, by znode. Ancestors that nobody declared
// count too.
type Summary struct {
	Create, Adopt, Update, Move, Disown, Delete, NoOp, Drift, Blocked int
}

// Summary counts the plan.
func (p *Plan) Summary() Summary {
	var s Summary
	for i := range p.Ensembles {
		e := &p.Ensembles[i]
		s.Drift += len(e.Drift)
		s.Blocked += len(e.Blocked)
		for j := range e.Steps {
			switch step := &e.Steps[j]; {
			case step.Has(Create):
				s.Create++
			case step.Has(Adopt):
				s.Adopt++
			case step.Has(Delete):
				s.Delete++
			case step.Has(Disown):
				s.Disown++
			case step.NoOp():
				s.NoOp++
			case step.Has(Move) && len(step.Actions) == 1:
				s.Move++
			default:
				s.Update++
			}
		}
	}
	return s
}
