package doctor

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/cmd/lockform/internal/live"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
)

// Limits of what stands in a tree.
const (
	// replyLimit is how long a reply may be in bytes by default
	// (jute.maxbuffer); a longer one looks like a broken connection.
	replyLimit = 1<<20 - 1
	// childBytes is what one contender takes in a listing.
	childBytes = 62
	// farSequence is when a sequence counter is told of: half of its range.
	farSequence = 1 << 30
)

// A Tree is the part of one ensemble that a layout owns.
type Tree struct {
	Ensemble string
	Ledger   plan.Ledger
	Nodes    []plan.Managed // with what nobody owns
	Queues   []lock.Queue   // of the locks that have children
	ACLs     map[zkfs.Path]zkfs.Node
	Planner  []zkfs.Identity
}

// ReadTree reads what the layout of the ledger owns and what stands beside it.
// The queues of locks that nobody uses are not read.
func ReadTree(ctx context.Context, t plan.Target, ensemble string, ledger zkfs.Path) (*Tree, error) {
	tree := &Tree{Ensemble: ensemble, ACLs: map[zkfs.Path]zkfs.Node{}, Planner: t.Identities()}
	var err error
	if tree.Ledger, err = plan.ReadLedger(ctx, t, ledger); err != nil {
		return nil, err
	}
	if tree.Nodes, err = plan.List(ctx, t, tree.Ledger, true); err != nil {
		return nil, err
	}
	var busy, ours []zkfs.Path
	for _, n := range tree.Nodes {
		if !n.Managed {
			continue
		}
		ours = append(ours, n.Path)
		// A listing that would not fit is not asked for.
		if n.Record.Kind == layout.KindLock && n.Stat.NumChildren > 0 && listingSize(n.Stat) < replyLimit {
			busy = append(busy, n.Path)
		}
	}
	if tree.Queues, err = lock.ReadQueues(ctx, t, busy, nil); err != nil {
		return nil, err
	}
	if tree.Ledger.Exists() {
		ours = append(ours, tree.Ledger.Path)
	}
	nodes, err := t.Read(ctx, zkfs.PartACL, ours)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		tree.ACLs[n.Path] = n
	}
	return tree, nil
}

// Locks returns the queues as package live shows them.
func (t *Tree) Locks(several bool) []live.Lock {
	address := t.addresses()
	all := make([]live.Lock, len(t.Queues))
	for i, q := range t.Queues {
		all[i] = live.Lock{Address: string(address[q.Path]), Queue: live.Queue{Queue: q}}
		if several {
			all[i].Ensemble = t.Ensemble
		}
	}
	return all
}

func (t *Tree) addresses() map[zkfs.Path]layout.Address {
	all := make(map[zkfs.Path]layout.Address, len(t.Nodes))
	for i := range t.Nodes {
		all[t.Nodes[i].Path] = t.Nodes[i].Record.Address
	}
	return all
}

// Count returns how many locks the layout owns.
func (t *Tree) Count() int {
	n := 0
	for i := range t.Nodes {
		if t.Nodes[i].Managed && t.Nodes[i].Record.Kind == layout.KindLock {
			n++
		}
	}
	return n
}

// Judge finds what is wrong in the tree at the time now.
func (t *Tree) Judge(now time.Time) []Finding {
	j := &treeJudge{Tree: t, now: now}
	j.ledger()
	j.unmanaged()
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.Managed && n.Record.Kind == layout.KindLock {
			j.sequence(n)
			j.length(n)
		}
	}
	address := t.addresses()
	for i := range t.Queues {
		j.queue(&t.Queues[i], string(address[t.Queues[i].Path]))
	}
	j.acls()
	return j.findings
}

type treeJudge struct {
	*Tree
	now      time.Time
	findings []Finding
}

func (j *treeJudge) add(severity Severity, check, address string, paths []zkfs.Path, summary, remedy string) {
	f := Finding{Severity: severity, Check: check, Ensemble: j.Ensemble, Address: address, Paths: []string{}, Summary: summary, Remedy: remedy}
	for _, p := range paths {
		f.Paths = append(f.Paths, p.String())
	}
	slices.Sort(f.Paths)
	j.findings = append(j.findings, f)
}

func (j *treeJudge) ledger() {
	switch run := j.Ledger.Unfinished(); {
	case !j.Ledger.Exists():
		j.add(Note, "ledger", "", []zkfs.Path{j.Ledger.Path}, "The layout has not been applied here yet", "Run \"lockform apply\".")
	case run != nil:
		j.add(Warning, "ledger", "", []zkfs.Path{j.Ledger.Path},
			fmt.Sprintf("The run that %s began at %s has not come to its end", run.By(), run.Started.UTC().Format("2006-01-02 15:04:05 MST")),
			"If it is not running any more, run \"lockform apply\" again to finish it.")
	}
}

// unmanaged tells what stands in the layout's namespaces and is not its own.
func (j *treeJudge) unmanaged() {
	kind := map[zkfs.Path]layout.Record{}
	for _, n := range j.Nodes {
		if n.Managed {
			kind[n.Path] = n.Record
		}
	}
	strays := map[zkfs.Path][]zkfs.Path{}
	var parents []zkfs.Path
	for _, n := range j.Nodes {
		above := kind[n.Path.Parent()]
		if n.Managed || above.Kind != layout.KindNamespace {
			continue // what others have below an ancestor that nobody declared is theirs
		}
		if n.Problem != "" {
			j.add(Warning, "record", "", []zkfs.Path{n.Path}, fmt.Sprintf("The record of %s cannot be read: %s", n.Path, n.Problem), "Plans stop at it. Find out who wrote there, or clear its data and adopt it again.")
			continue
		}
		if strays[n.Path.Parent()] == nil {
			parents = append(parents, n.Path.Parent())
		}
		strays[n.Path.Parent()] = append(strays[n.Path.Parent()], n.Path)
	}
	for _, p := range parents {
		var names []string
		for _, s := range strays[p] {
			names = append(names, s.Base())
		}
		j.add(Warning, "unmanaged", string(kind[p].Address), strays[p],
			fmt.Sprintf("%s in the namespace %s %s not declared: %s", count(len(names), "znode", "znodes"), p, verb(len(names), "is", "are"), some(names)),
			fmt.Sprintf("Declare and adopt what is a lock (\"lockform import -recursive %s\" writes the blocks), or remove it. The namespace cannot be deleted while it is there.", p))
	}
}

// sequenceOf returns how many children a znode ever had, which is the number
// that its next sequential child gets. cversion counts creates and deletes, and
// overflows.
func sequenceOf(st zkfs.Stat) int64 {
	return (int64(uint32(st.Cversion)) + int64(st.NumChildren)) / 2
}

func (j *treeJudge) sequence(n *plan.Managed) {
	seq := sequenceOf(n.Stat)
	if seq < farSequence {
		return
	}
	rotate := fmt.Sprintf("Make it anew when nobody uses it: lockform apply -rotate='%s'.", n.Record.Address)
	if seq >= recipe.SequenceEnd {
		j.add(Error, "sequence", string(n.Record.Address), []zkfs.Path{n.Path},
			fmt.Sprintf("The sequence of %s has come to its end (%d): agents refuse to take the lock, and other clients may hold it together", n.Path, seq), rotate)
		return
	}
	when := ""
	if age := n.Stat.Ctime; !age.IsZero() && j.now.After(age) {
		rate := float64(seq) / j.now.Sub(age).Hours()
		if days := float64(recipe.SequenceEnd-seq) / rate / 24; days < 100*365 {
			when = fmt.Sprintf(", in about %s at the rate since it was made", count(int(math.Ceil(days)), "day", "days"))
		}
	}
	j.add(Warning, "sequence", string(n.Record.Address), []zkfs.Path{n.Path},
		fmt.Sprintf("The sequence of %s is at %d of %d; at its end the lock can no longer be taken%s", n.Path, seq, int64(recipe.SequenceEnd), when), rotate)
}

// listingSize returns about how long the list of a lock's children is, in bytes.
func listingSize(st zkfs.Stat) int { return int(st.NumChildren)*childBytes + 100 }

func (j *treeJudge) length(n *plan.Managed) {
	size := listingSize(n.Stat)
	if size < replyLimit/2 {
		return
	}
	severity, now := Warning, "is near"
	if size >= replyLimit {
		severity, now = Error, "is beyond"
	}
	j.add(severity, "queue", string(n.Record.Address), []zkfs.Path{n.Path},
		fmt.Sprintf("The queue of %s has %d contenders: the list of them (%d KiB) %s what a reply may hold (jute.maxbuffer, 1 MiB)", n.Path, n.Stat.NumChildren, size>>10, now),
		"Set max_waiters in its policy, so that more are refused at once, or divide the work among several locks.")
}

// queue tells what does not belong below a lock.
func (j *treeJudge) queue(q *lock.Queue, address string) {
	if len(q.Unknown) > 0 {
		var paths []zkfs.Path
		for _, name := range q.Unknown {
			paths = append(paths, q.Path.Join(name))
		}
		what := "Below a lock stand its contenders only: go-zookeeper fails on another child and leaves its own behind, others can wait for it for ever. Remove what is not needed, and give the rest a place of its own."
		if slices.Contains(q.Unknown, "locks") || slices.Contains(q.Unknown, "leases") {
			what = "These are of a Curator semaphore (InterProcessSemaphoreV2), which agents do not join. Give it a path of its own, or replace it by mode \"semaphore\"."
		}
		j.add(Error, "children", address, paths, fmt.Sprintf("%s below the lock %s %s: %s", count(len(paths), "child", "children"), q.Path, verb(len(paths), "is no contender", "are no contenders"), some(q.Unknown)), what)
	}
	var foreign []zkfs.Path
	clients := []string{}
	for _, c := range q.Contenders {
		if c.Foreign {
			foreign = append(foreign, c.Node)
			if !slices.Contains(clients, c.Client) {
				clients = append(clients, c.Client)
			}
		}
	}
	if len(foreign) > 0 && q.Policy != nil {
		j.add(Warning, "foreign", address, foreign,
			fmt.Sprintf("%s of %s cannot see the contenders that the recipe %q makes (%s)", count(len(foreign), "contender", "contenders"), q.Path, q.Policy.Recipe, strings.Join(clients, ", ")),
			"Agents refuse the lock meanwhile. Choose the recipe of these clients, or \"bridge\".")
	}
}

// Deadlocks tells the rings in which owners of locks, in whatever ensemble, wait
// for each other.
func Deadlocks(locks []live.Lock) []Finding {
	var all []Finding
	for _, d := range live.Deadlocks(locks) {
		all = append(all, Finding{
			Severity: Error, Check: "deadlock", Paths: d.Paths, Summary: "Deadlock: " + d.String(),
			Remedy: "Stop one of them. Give the locks a rank, so that an owner who asks in the wrong order is refused before it comes to this.",
		})
	}
	return all
}

// Quota judges the ACL of /zookeeper/quota, which a server creates open to
// everyone.
func Quota(ensemble string, n zkfs.Node) []Finding {
	if n.Absent || n.ACL == nil {
		return nil
	}
	open := n.ACL.Grants() &^ zkfs.Read
	if open == 0 {
		return nil
	}
	return []Finding{{
		Severity: Warning, Check: "quota", Ensemble: ensemble, Paths: []string{n.Path.String()},
		Summary: fmt.Sprintf("Everyone has %s on %s", permWords(open), n.Path),
		Remedy:  fmt.Sprintf("Anyone who reaches the ensemble can set quotas that stop locks from being taken. An administrator closes it once: setAcl %s world:anyone:r,digest:…:cdrwa", n.Path),
	}}
}
