package hcl

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/lockform/lockform/zkfs/layout"
)

// A block is a declaration as it stands in a file, before any expression is
// evaluated.
type block struct {
	kind, name string
	def        hcl.Range // of its header
	nameRange  hcl.Range
	content    *hcl.BodyContent
	body       hcl.Body
	spec       *bodySpec
}

// refs returns what the expressions of the body refer to.
func (b *block) refs() []hcl.Traversal { return dynblock.VariablesHCLDec(b.body, b.spec.spec) }

// attr returns an attribute, nil when it is not written.
func (b *block) attr(name string) *hcl.Attribute { return b.content.Attributes[name] }

// module is everything that the files declare.
type module struct {
	layout    *block
	ensembles map[string]*block
	variables map[string]*block
	acls      map[string]*block
	policies  map[string]*block
	locals    map[string]*hcl.Attribute
	nodes     []*node // the top-level namespaces and locks

	statements []*statement
	checks     map[string]*block
}

// A node is a namespace or lock block.
type node struct {
	*block
	parent    *node // the enclosing namespace
	lifecycle *hcl.BodyContent
	children  []*node
	loops     int // blocks with for_each among itself and those around it

	static    map[*hcl.Attribute]bool  // does not refer to each
	constants map[*hcl.Attribute]value // of those that have been evaluated
	effective map[policyKey]*effectivePolicy
	instances []each // of a static for_each
	expanded  bool   // instances is known
}

// gather reads the blocks of all files.
func (l *loader) gather(files []*source) {
	m := &l.module
	m.ensembles, m.variables = map[string]*block{}, map[string]*block{}
	m.acls, m.policies = map[string]*block{}, map[string]*block{}
	m.locals, m.checks = map[string]*hcl.Attribute{}, map[string]*block{}
	topNodes := map[string]*node{}
	for _, f := range files {
		for _, b := range l.contentOf(f.file.Body, rootSchema).Blocks {
			switch b.Type {
			case "layout":
				l.takeLayout(b)
			case "ensemble":
				l.take(m.ensembles, b, ensembleBody)
			case "variable":
				l.take(m.variables, b, variableBody)
			case "moved", "removed", "import":
				l.takeStatement(b)
			case "check":
				l.take(m.checks, b, checkBody)
			case "acl":
				if b.Labels[0] == "open" || b.Labels[0] == "read_only" {
					l.errorf(b.LabelRanges[0], "Reserved ACL name", "acl.%s is built in. Give this ACL another name.", b.Labels[0])
					continue
				}
				l.take(m.acls, b, aclBody)
			case "policy":
				l.take(m.policies, b, policyBody)
			case "locals":
				l.takeLocals(b)
			case "namespace", "lock":
				if n := l.takeNode(b, nil, topNodes); n != nil {
					m.nodes = append(m.nodes, n)
				}
			}
		}
	}
}

// block reads the body of a declaration.
func (l *loader) block(b *hcl.Block, spec *bodySpec) *block {
	return &block{
		kind: b.Type, name: b.Labels[0], def: headerOf(b), nameRange: b.LabelRanges[0],
		content: l.content(b.Body, spec),
		body:    b.Body, spec: spec,
	}
}

// headerOf returns where a block is declared: its header, or in JSON its name.
func headerOf(b *hcl.Block) hcl.Range {
	if len(b.LabelRanges) > 0 && b.DefRange.Start.Byte >= b.LabelRanges[len(b.LabelRanges)-1].End.Byte {
		return b.LabelRanges[len(b.LabelRanges)-1]
	}
	return b.DefRange
}

// named checks the label of a block.
func (l *loader) named(b *hcl.Block) bool {
	if _, err := layout.ParseAddress("lock." + b.Labels[0]); err != nil {
		l.errorf(b.LabelRanges[0], "Invalid name", "%q cannot name a block. A name begins with a letter or an underscore and has only letters, digits, underscores and hyphens (all ASCII).", b.Labels[0])
		return false
	}
	return true
}

// duplicate reports that a name is declared twice, citing both places.
func (l *loader) duplicate(kind, name string, first, second hcl.Range) {
	l.errorf(second, fmt.Sprintf("Duplicate %s", kind), "%s %q is declared at %s already. Remove or rename one of them.", upperFirst(kind), name, place(first))
}

func (l *loader) take(into map[string]*block, b *hcl.Block, spec *bodySpec) {
	if !l.named(b) {
		return
	}
	if first := into[b.Labels[0]]; first != nil {
		l.duplicate(b.Type, b.Labels[0], first.def, headerOf(b))
		l.content(b.Body, spec)
		return
	}
	into[b.Labels[0]] = l.block(b, spec)
}

func (l *loader) takeLayout(b *hcl.Block) {
	if !l.named(b) {
		l.badLayout[b.LabelRanges[0]] = true
		return
	}
	if first := l.module.layout; first != nil {
		l.errorf(headerOf(b), "More than one layout", "A directory holds one layout; layout %q is declared at %s. Remove one of them, or move it with its blocks to another directory.", first.name, place(first.def))
		l.content(b.Body, layoutBody)
		return
	}
	l.module.layout = l.block(b, layoutBody)
}

func (l *loader) takeLocals(b *hcl.Block) {
	attrs, diags := b.Body.JustAttributes()
	l.add(diags...)
	for _, name := range sortedKeys(attrs) {
		attr := attrs[name]
		if !validName(name) {
			l.errorf(attr.NameRange, "Invalid name", "%q cannot name a local value. A name begins with a letter or an underscore and has only letters, digits, underscores and hyphens (all ASCII).", name)
			continue
		}
		if first := l.module.locals[name]; first != nil {
			l.duplicate("local value", name, first.NameRange, attr.NameRange)
			continue
		}
		l.module.locals[name] = attr
	}
}

// takeNode reads a namespace or lock with what is inside. Siblings are those
// of the same enclosing block, by kind and name.
func (l *loader) takeNode(b *hcl.Block, parent *node, siblings map[string]*node) *node {
	if !l.named(b) {
		return nil
	}
	var n *node
	if b.Type == "lock" {
		n = &node{block: l.block(b, lockBody), parent: parent}
	} else {
		n = &node{block: l.block(b, namespaceBody), parent: parent}
	}
	if parent != nil {
		n.loops = parent.loops
	}
	if n.attr("for_each") != nil {
		n.loops++
	}
	inner := map[string]*node{}
	var first *hcl.Block
	for _, c := range n.content.Blocks {
		switch {
		case c.Type != "lifecycle":
			if child := l.takeNode(c, n, inner); child != nil {
				n.children = append(n.children, child)
			}
		case first != nil:
			l.errorf(headerOf(c), "Duplicate lifecycle block", "A block has one lifecycle block; the first is at %s. Write all of its arguments there.", place(headerOf(first)))
		default:
			first, n.lifecycle = c, l.content(c.Body, lifecycleBody)
		}
	}
	key := b.Type + "." + n.name
	if other := siblings[key]; other != nil {
		l.duplicate(b.Type, n.name, other.def, n.def)
		return nil
	}
	siblings[key] = n
	return n
}

// place cites a position as "file line 3".
func place(r hcl.Range) string { return pos(r).String() }

// pos converts a range to where it begins.
func pos(r hcl.Range) layout.Pos {
	return layout.Pos{File: r.Filename, Line: r.Start.Line, Column: r.Start.Column}
}
