package hcl

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A statement is a moved, removed or import block.
type statement struct {
	kind    string
	def     hcl.Range
	content *hcl.BodyContent
}

// takeStatement reads the body of a moved, removed or import block.
func (l *loader) takeStatement(b *hcl.Block) {
	spec := map[string]*bodySpec{"moved": movedBody, "removed": removedBody, "import": importBody}[b.Type]
	l.module.statements = append(l.module.statements, &statement{b.Type, headerOf(b), l.content(b.Body, spec)})
}

// address reads an attribute that names a namespace or lock. It is not an
// expression: nothing is evaluated, and what it names need not exist.
func (l *loader) address(a *hcl.Attribute) (layout.Address, bool) {
	if a == nil {
		return "", false
	}
	bad := func() (layout.Address, bool) {
		l.errorf(a.Expr.Range(), "Invalid address", `%s must name a namespace or a lock, such as namespace.jobs["billing"].lock.report, without quotes around it.`, a.Name)
		return "", false
	}
	t, diags := hcl.AbsTraversalForExpr(a.Expr)
	if diags.HasErrors() {
		return bad()
	}
	var words []string
	var steps []layout.Step
	for _, s := range t {
		switch s := s.(type) {
		case hcl.TraverseRoot:
			words = append(words, s.Name)
		case hcl.TraverseAttr:
			words = append(words, s.Name)
		case hcl.TraverseIndex:
			if len(words) != 0 || len(steps) == 0 || steps[len(steps)-1].Key != nil || s.Key.Type() != cty.String {
				return bad()
			}
			key := s.Key.AsString()
			steps[len(steps)-1].Key = &key
		default:
			return bad()
		}
		if len(words) == 2 {
			steps = append(steps, layout.Step{Type: words[0], Label: words[1]})
			words = nil
		}
	}
	var address layout.Address
	for _, s := range steps {
		address = address.Child(s)
	}
	if _, err := layout.ParseAddress(string(address)); err != nil || len(words) > 0 {
		return bad()
	}
	return address, true
}

// statements evaluates the moved, removed and import blocks into out.
func (l *loader) statements(out *layout.Layout) {
	declared := map[layout.Address]*instance{}
	for _, list := range [][]*instance{l.namespaces, l.locks} {
		for _, in := range list {
			declared[in.Address] = in
		}
	}
	var moves []*move
	for _, s := range l.module.statements {
		switch s.kind {
		case "moved":
			from, ok := l.address(s.content.Attributes["from"])
			to, ok2 := l.address(s.content.Attributes["to"])
			if ok && ok2 && l.checkMove(s, from, to) {
				moves = append(moves, &move{layout.Moved{From: from, To: to, Pos: pos(s.def)}, s})
			}
		case "removed":
			l.removed(s, declared, out)
		case "import":
			l.imported(s, declared, out)
		}
	}
	l.moved(moves, declared, out)
}

// A move is a moved block that is well-formed.
type move struct {
	layout.Moved
	s *statement
}

func (l *loader) checkMove(s *statement, from, to layout.Address) bool {
	fs, ts := from.Steps(), to.Steps()
	at := s.content.Attributes["to"].Expr.Range()
	if fs[len(fs)-1].Type != ts[len(ts)-1].Type {
		l.errorf(at, "Invalid move", "%s is a %s and %s is a %s: one cannot become the other. Name two of one kind.", from, fs[len(fs)-1].Type, to, ts[len(ts)-1].Type)
		return false
	}
	if from == to {
		l.errorf(at, "Invalid move", "from and to are the same address. Remove the block, or correct one of them.")
		return false
	}
	return true
}

// moved checks the moves against what is declared and against each other, and
// puts them into the order in which they apply: a move to an address comes
// before one from it.
func (l *loader) moved(moves []*move, declared map[layout.Address]*instance, out *layout.Layout) {
	byFrom, byTo := map[layout.Address]*move{}, map[layout.Address]*move{}
	for _, m := range moves {
		if first := byFrom[m.From]; first != nil {
			l.errorf(m.s.def, "Ambiguous move", "%s is moved at %s already. Remove one of the blocks.", m.From, first.Pos)
			continue
		}
		if first := byTo[m.To]; first != nil {
			l.errorf(m.s.def, "Ambiguous move", "Something else is moved to %s at %s already. Remove one of the blocks.", m.To, first.Pos)
			continue
		}
		byFrom[m.From], byTo[m.To] = m, m
		in := stillDeclared(declared, m.From, m.To)
		if fs, ts := m.From.Steps(), m.To.Steps(); fs[len(fs)-1].Key == nil && ts[len(ts)-1].Key != nil {
			// A block without for_each becomes one of its instances.
			in = declared[m.From]
		}
		if in != nil {
			l.errorf(m.s.def, "Moved block still exists", "%s is still declared at %s, so that it cannot have become %s. Remove that block, or this one.", in.Address, in.Pos, m.To)
		}
	}
	state := map[*move]int{}
	var visit func(m *move)
	visit = func(m *move) {
		switch state[m] {
		case 1:
			l.errorf(m.s.def, "Move cycle", "The moves from %s lead back to it. Remove one of them.", m.From)
			return
		case 2:
			return
		}
		state[m] = 1
		if before := byTo[m.From]; before != nil {
			visit(before)
		}
		state[m] = 2
		out.Moved = append(out.Moved, m.Moved)
	}
	for _, m := range moves {
		if byFrom[m.From] == m && byTo[m.To] == m {
			visit(m)
		}
	}
}

// stillDeclared returns an instance that is covered by address and not by
// except.
func stillDeclared(declared map[layout.Address]*instance, address, except layout.Address) *instance {
	var first *instance
	// Most addresses are told apart without taking them to pieces.
	steps := address.Steps()
	begin := layout.Address(layout.Step{Type: steps[0].Type, Label: steps[0].Label}.String())
	for a, in := range declared {
		if strings.HasPrefix(string(a), string(begin)) && address.Covers(a) && (except == "" || !except.Covers(a)) && (first == nil || a < first.Address) {
			first = in
		}
	}
	return first
}

func (l *loader) removed(s *statement, declared map[layout.Address]*instance, out *layout.Layout) {
	r := layout.Removed{Destroy: true, Pos: pos(s.def)}
	from, ok := l.address(s.content.Attributes["from"])
	for i, b := range s.content.Blocks {
		c := l.content(b.Body, destroyBody)
		if i > 0 {
			l.errorf(headerOf(b), "Duplicate lifecycle block", "A removed block has one lifecycle block; the first is at %s.", place(headerOf(s.content.Blocks[0])))
		}
		if v := l.attribute(c.Attributes["destroy"], l.root, cty.Bool); v.state == known {
			r.Destroy = v.True()
		}
	}
	if !ok {
		return
	}
	if in := stillDeclared(declared, from, ""); in != nil {
		l.errorf(s.def, "Removed block still exists", "%s is still declared at %s. Remove that block, or this one.", in.Address, in.Pos)
		return
	}
	if slices.ContainsFunc(out.Removed, func(o layout.Removed) bool { return o.From == from }) {
		l.errorf(s.def, "Duplicate removed block", "Another removed block is about %s already. Remove one of them.", from)
		return
	}
	r.From = from
	out.Removed = append(out.Removed, r)
}

func (l *loader) imported(s *statement, declared map[layout.Address]*instance, out *layout.Layout) {
	to, ok := l.address(s.content.Attributes["to"])
	v := l.attribute(s.content.Attributes["path"], l.root, cty.String)
	if !ok || v.state == skipped {
		return
	}
	toAt := s.content.Attributes["to"].Expr.Range()
	if v.state == absent {
		if a := s.content.Attributes["path"]; a != nil {
			l.errorf(a.Expr.Range(), "Invalid znode path", "The path is null. Write the path of the znode to adopt.")
		}
		return
	}
	p, err := zkfs.ParsePath(v.str())
	if err != nil {
		l.errorf(v.at, "Invalid znode path", "%s.", pathFault(err, v.str()))
		return
	}
	in := declared[to]
	switch {
	case in == nil && stillDeclared(declared, to, "") != nil:
		l.errorf(toAt, "Import of several", "%s has for_each, and an import is of one instance. Name it with its key, such as %s.", to, stillDeclared(declared, to, "").Address)
		return
	case in == nil && l.o.Undeclared != nil:
		l.o.Undeclared(layout.Import{To: to, Path: p, Pos: pos(s.def)})
		return
	case in == nil:
		if l.skippedAt == nil && l.errors == 0 {
			l.errorf(toAt, "Import of what is not declared", "Nothing is declared with the address %s. Write its block, with the path %s; \"lockform plan -generate-config-out=FILE\" can make one.", to, p)
		}
		return
	case in.Path != p:
		l.errorf(v.at, "Import from another path", "%s is declared with the path %s at %s, and ZooKeeper cannot rename %s. Correct one of the paths.", to, in.Path, in.Pos, p)
		return
	}
	if i := slices.IndexFunc(out.Imports, func(o layout.Import) bool { return o.To == to }); i >= 0 {
		l.errorf(s.def, "Duplicate import", "%s is imported at %s already. Remove one of the blocks.", to, out.Imports[i].Pos)
		return
	}
	out.Imports = append(out.Imports, layout.Import{To: to, Path: p, Ensemble: in.Ensemble, Pos: pos(s.def)})
}

// otherReferences checks the references of check, removed and import blocks.
func (l *loader) otherReferences() {
	for _, name := range sortedKeys(l.module.checks) {
		l.references(l.module.checks[name].refs(), 0)
	}
	for _, s := range l.module.statements {
		if a := s.content.Attributes["path"]; a != nil {
			l.references(a.Expr.Variables(), 0)
		}
		for _, b := range s.content.Blocks {
			l.references(hcldec.Variables(b.Body, destroyBody.spec), 0)
		}
	}
}
