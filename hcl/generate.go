package hcl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// Generate returns the HCL that declares the namespaces and locks of l, in the
// canonical style: what a live tree would have to look like in a file. ACLs
// become acl blocks whose names begin with prefix; policies are written on the
// locks, as far as they differ from the defaults. The layout and ensemble
// blocks are not part of it, nor are the paths' parents that nobody declared.
//
// A key of an address becomes a part of the label, since what for_each went
// over is not known: generate addresses without keys where they are to stay.
// Loading what Generate returns gives the same paths, ACLs and policies.
func Generate(l *layout.Layout, prefix string) []byte {
	g := &generator{layout: l, prefix: prefix, file: hclwrite.NewEmptyFile(), names: map[string]string{}}
	root := &generated{}
	for _, n := range l.Namespaces {
		root.add(n.Declared, nil)
	}
	for i := range l.Locks {
		root.add(l.Locks[i].Declared, l.Locks[i].Policy)
	}
	body := hclwrite.NewEmptyFile()
	for _, c := range root.children {
		body.Body().AppendNewline()
		g.block(body.Body(), c, nil)
	}
	g.file.Body().AppendUnstructuredTokens(body.BuildTokens(nil))
	return hclwrite.Format(compact(strings.TrimLeft(string(g.file.Bytes()), "\n")))
}

// compact writes blocks without a body on one line, with no empty line between
// two of them. No value of an attribute goes over several lines.
func compact(text string) []byte {
	var lines []string
	empty := func(line string) bool { return strings.HasSuffix(line, "{}") }
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		last := len(lines) - 1
		switch {
		case strings.TrimSpace(line) == "}" && strings.HasSuffix(lines[last], " {"):
			lines[last] += "}"
			if last > 1 && lines[last-1] == "" && empty(lines[last-2]) {
				lines = slices.Delete(lines, last-1, last)
			}
		default:
			lines = append(lines, line)
		}
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// Label returns a name that a block can have, made of any text: what is not
// allowed becomes an underscore.
func Label(text string) string {
	label := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, text)
	if label == "" || label[0] == '-' || label[0] >= '0' && label[0] <= '9' {
		return "_" + label
	}
	return label
}

// A generated is a block to write, by its address.
type generated struct {
	layout.Declared
	kind, label string
	policy      *layout.Policy
	children    []*generated
	namespaces  map[placedAddress]*generated // among the children
	labels      map[string]bool              // of the children, with their kinds
}

// A placedAddress is an address in an ensemble.
type placedAddress struct {
	ensemble string
	address  layout.Address
}

// add puts a declaration below the namespaces that its address names. Where
// one of them is not declared, the declaration stands above.
func (g *generated) add(d layout.Declared, p *layout.Policy) {
	at, steps := g, d.Address.Steps()
	var address layout.Address
	for _, s := range steps[:len(steps)-1] {
		address = address.Child(s)
		if n := at.namespaces[placedAddress{d.Ensemble, address}]; n != nil {
			at = n
		}
	}
	s := steps[len(steps)-1]
	label := s.Label
	if s.Key != nil {
		label = Label(s.Label + "_" + *s.Key)
	}
	c := &generated{Declared: d, kind: s.Type, label: at.unique(s.Type, label), policy: p}
	at.children = append(at.children, c)
	if c.kind == "namespace" {
		if at.namespaces == nil {
			at.namespaces = map[placedAddress]*generated{}
		}
		at.namespaces[placedAddress{d.Ensemble, d.Address}] = c
	}
}

// unique returns a label that no sibling of the same kind has.
func (g *generated) unique(kind, label string) string {
	name := label
	for i := 2; g.labels[kind+"."+name]; i++ {
		name = fmt.Sprintf("%s_%d", label, i)
	}
	if g.labels == nil {
		g.labels = map[string]bool{}
	}
	g.labels[kind+"."+name] = true
	return name
}

type generator struct {
	layout *layout.Layout
	prefix string
	file   *hclwrite.File    // of the acl blocks
	names  map[string]string // of those written, by their canonical text
}

func (g *generator) block(into *hclwrite.Body, c, parent *generated) {
	body := into.AppendNewBlock(c.kind, []string{c.label}).Body()
	path := string(c.Path)
	if parent != nil {
		path = strings.TrimPrefix(path, string(parent.Path)+"/")
	} else if len(g.layout.Ensembles) > 1 {
		body.SetAttributeTraversal("ensemble", traversal("ensemble", c.Ensemble))
	}
	if parent == nil || path != c.label {
		body.SetAttributeValue("path", cty.StringVal(path))
	}
	if parent == nil || !parent.ACL.Equal(c.ACL) {
		body.SetAttributeTraversal("acl", g.acl(c.ACL))
	}
	if c.policy != nil {
		g.policy(body, *c.policy)
	}
	outer := layout.Declared{}
	if parent != nil {
		outer = parent.Declared
	}
	if c.Protected != outer.Protected || c.Adopt != outer.Adopt {
		if len(body.Attributes()) > 0 {
			body.AppendNewline()
		}
		lifecycle := body.AppendNewBlock("lifecycle", nil).Body()
		if c.Protected != outer.Protected {
			lifecycle.SetAttributeValue("prevent_destroy", cty.BoolVal(c.Protected))
		}
		if c.Adopt != outer.Adopt {
			lifecycle.SetAttributeValue("adopt", cty.BoolVal(c.Adopt))
		}
	}
	bare := len(body.Attributes()) == 0 && len(body.Blocks()) == 0
	for i, child := range c.children {
		if i > 0 || !bare {
			body.AppendNewline()
		}
		g.block(body, child, c)
	}
}

// policy writes the attributes that are not the defaults.
func (g *generator) policy(body *hclwrite.Body, p layout.Policy) {
	defaults := layout.DefaultPolicy().Attributes()
	for _, a := range p.Attributes() {
		if slices.Contains(defaults, a) || !slices.Contains(policyNames, a.Name) {
			continue
		}
		if a.Name == "contender_acl" {
			body.SetAttributeTraversal(a.Name, g.acl(p.ContenderACL))
			continue
		}
		var v ctyjson.SimpleJSONValue
		if err := json.Unmarshal([]byte(a.Value), &v); err == nil {
			body.SetAttributeValue(a.Name, v.Value)
		}
	}
}

// acl returns the reference to an ACL, and writes its block the first time.
func (g *generator) acl(a zkfs.ACL) hcl.Traversal {
	switch {
	case a.Equal(zkfs.Open()):
		return traversal("acl", "open")
	case a.Equal(zkfs.ReadOnly()):
		return traversal("acl", "read_only")
	}
	text := a.String()
	name, ok := g.names[text]
	if !ok {
		name = fmt.Sprintf("%s%d", g.prefix, len(g.names)+1)
		g.names[text] = name
		g.file.Body().AppendNewline()
		block := g.file.Body().AppendNewBlock("acl", []string{name}).Body()
		for _, e := range a.Canonical() {
			grant := block.AppendNewBlock("grant", []string{e.Scheme}).Body()
			if e.Identity != zkfs.Anyone && e.Identity != zkfs.AuthIDs {
				grant.SetAttributeValue("id", cty.StringVal(e.ID))
			}
			var words []cty.Value
			for _, w := range shortest(e.Perms) {
				words = append(words, cty.StringVal(w))
			}
			grant.SetAttributeValue("permissions", cty.ListVal(words))
		}
	}
	return traversal("acl", name)
}

// shortest returns the shortest list of words for a set of permissions.
func shortest(p zkfs.Perms) []string {
	if p == zkfs.AllPerms {
		return []string{"all"}
	}
	return permWords(p)
}

func traversal(root, name string) hcl.Traversal {
	return hcl.Traversal{hcl.TraverseRoot{Name: root}, hcl.TraverseAttr{Name: name}}
}
