package ui

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/cmd/lockform/internal/live"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs/layout"
)

// How much a page has at most: what is more is told, and found by searching.
const (
	maxRows   = 500
	maxPeople = 10 // holders, and as many waiters, of one lock
	maxLines  = 1000
	maxName   = 200  // characters of what contenders call themselves and their hosts
	maxText   = 2000 // characters of sentences with such names in them
)

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"time":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"amount": amount,
	"short":  func(s string) string { return short(s, maxText) },
	"number": func(f float64) string {
		if f < 0 {
			return "-"
		}
		return fmt.Sprintf("%.4g", f)
	},
	"plural": func(n int, one, many string) string {
		if n == 1 {
			return one
		}
		return many
	},
}).ParseFS(files, "page.html.tmpl"))

// short cuts what is longer than n characters.
func short(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

func amount(n int64) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// maxAge is how long somebody can have waited or held: what says that it is
// longer is not believed.
const maxAge = 100 * 365 * 24 * time.Hour

// content is what the page's template shows.
type content struct {
	sight
	Query    string
	Problems []plan.Problem
	Several  bool // ensembles
	Unread   bool // none of them could be read

	Locks, Held, Waiting int
	Deadlocks            []string
	Rows                 []row
	Shown, All           int
	Hidden               bool // there are more rows
}

// A row is a znode of the tree.
type row struct {
	Ensemble, Path, Address, Policy, State, Class string
	Holders, Waiters                              people
}

// People are the first of several contenders.
type people struct {
	First []person
	More  int // that are not shown
}

// A person is a contender.
type person struct {
	Name, Where, Mode, Since string
	Token                    int64 // of a holder
	Notes                    []string
}

// A line is one of a plan's text.
type line struct{ Class, Text string }

// newContent makes what matches the query ready to be shown.
func newContent(s sight, query string) *content {
	c := &content{sight: s, Query: query, Several: len(s.Queues) > 1, Unread: true}
	for _, e := range s.Queues {
		c.Unread = c.Unread && !e.read()
		c.Problems = append(c.Problems, e.Problems...)
	}
	c.Problems = merge(c.Problems, s.Survey.Problems)
	c.rows()
	return c
}

// merge leaves out what was said by both looks.
func merge(a, b []plan.Problem) []plan.Problem {
	all := slices.Clone(a)
	for _, p := range b {
		if !slices.ContainsFunc(a, func(q plan.Problem) bool { return q.Summary == p.Summary && q.Detail == p.Detail }) {
			all = append(all, p)
		}
	}
	return all
}

// rows makes the tree: all of it when it fits, and the locks in use first when
// it does not.
func (c *content) rows() {
	type found struct {
		*Node
		at time.Time
	}
	var locks []live.Lock
	var all []found
	for i := range c.Queues {
		e := &c.Queues[i]
		for j := range e.Nodes {
			n := &e.Nodes[j]
			if l := n.Lock; l != nil {
				locks = append(locks, *l)
				c.Locks++
				c.Waiting += len(l.Queue.Waiters())
				if len(l.Queue.Holders()) > 0 {
					c.Held++
				}
			}
			if n.has(c.Query) {
				all = append(all, found{n, e.At})
			}
		}
	}
	for _, d := range live.Deadlocks(locks) {
		c.Deadlocks = append(c.Deadlocks, d.String())
	}
	c.All = len(all)
	if c.Hidden = c.All > maxRows; c.Hidden {
		slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(b.busy(), a.busy()) })
		all = all[:maxRows]
	}
	c.Shown = len(all)
	for _, f := range all {
		c.Rows = append(c.Rows, f.row(f.at))
	}
}

// busy is the length of a lock's queue.
func (n *Node) busy() int {
	if n.Lock == nil {
		return 0
	}
	return len(n.Lock.Queue.Contenders)
}

// has reports whether something of the node has the text in it.
func (n *Node) has(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	in := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	if text == "" || in(n.Path.String()) || in(string(n.Address)) {
		return true
	}
	return n.Lock != nil && slices.ContainsFunc(n.Lock.Queue.Contenders, func(c lock.Contender) bool { return in(c.Owner) || in(c.Host) })
}

func (n *Node) row(now time.Time) row {
	r := row{Ensemble: n.Ensemble, Path: n.Path.String(), Address: string(n.Address)}
	if n.Lock == nil {
		r.State, r.Class = string(n.Kind), "dim"
		return r
	}
	q := n.Lock.Queue
	r.State, r.Policy = n.Lock.State(), policy(q.Policy)
	holders, waiters := q.Holders(), q.Waiters()
	switch {
	case q.Absent || q.Denied:
		r.Class = "bad"
	case len(waiters) > 0:
		r.Class = "warn"
	case len(holders) == 0:
		r.Class = "dim"
	}
	r.Holders, r.Waiters = newPeople(*n.Lock, holders, now), newPeople(*n.Lock, waiters, now)
	return r
}

func newPeople(l live.Lock, cs []lock.Contender, now time.Time) people {
	p := people{More: max(0, len(cs)-maxPeople)}
	for _, c := range cs[:len(cs)-p.More] {
		p.First = append(p.First, newPerson(l, c, now))
	}
	return p
}

// age returns how long ago a contender queued, and whether that can be: clocks
// differ, and anybody writes what they like.
func age(c *lock.Contender, now time.Time) (time.Duration, bool) {
	d := now.Sub(c.Since)
	return d, !c.Since.IsZero() && d >= 0 && d < maxAge
}

func newPerson(l live.Lock, c lock.Contender, now time.Time) person {
	p := person{Name: short(c.Owner, maxName), Notes: live.Notes(l, c, now)}
	if p.Name == "" {
		p.Name = fmt.Sprintf("session 0x%x", uint64(c.Session))
	}
	if c.Host != "" {
		p.Where = short(c.Host, maxName)
		if c.PID != 0 {
			p.Where += fmt.Sprintf(":%d", c.PID)
		}
	} else if c.Client != "" {
		p.Where = c.Client
	}
	if c.Mode == "shared" {
		p.Mode = c.Mode
	}
	if !c.Since.IsZero() {
		p.Since = c.Since.UTC().Format("2006-01-02 15:04:05")
		if d, ok := age(&c, now); ok {
			p.Since += fmt.Sprintf(" (%s)", d.Round(time.Second))
		}
	}
	if c.Holds {
		p.Token = c.Token
	}
	return p
}

// policy tells the mode, and the recipe where it is not the usual one.
func policy(p *layout.Policy) string {
	if p == nil {
		return "none that can be read"
	}
	text := string(p.Mode)
	if p.Mode == layout.Semaphore {
		text = fmt.Sprintf("%s of %d", p.Mode, p.Permits)
	}
	if p.Recipe != layout.DefaultPolicy().Recipe {
		text += ", " + string(p.Recipe)
	}
	return text
}

// A planned survey has of its plan what is shown, in place of all of it.
type planned struct {
	Survey
	Lines []line
	Cut   int // lines that are not among them
	sum   plan.Summary
	made  bool
}

func newPlanned(s Survey) planned {
	p := planned{Survey: s}
	p.Plan = nil
	if s.Plan == nil {
		return p
	}
	p.made, p.sum = true, s.Plan.Summary()
	var text strings.Builder
	_ = s.Plan.WriteText(&text, plan.TextOptions{}) // a strings.Builder takes everything
	all := strings.Split(strings.TrimRight(text.String(), "\n"), "\n")
	p.Cut = max(0, len(all)-maxLines)
	for _, s := range all[:len(all)-p.Cut] {
		p.Lines = append(p.Lines, line{class(s), strings.Clone(s)})
	}
	return p
}

// class is how a line of a plan is coloured: by its sign.
func class(s string) string {
	switch sign, _, _ := strings.Cut(strings.TrimLeft(s, " "), " "); sign {
	case "+":
		return "add"
	case "~", ">":
		return "change"
	case "-", "!":
		return "remove"
	}
	return "plain"
}
