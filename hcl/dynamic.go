package hcl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// dynamicHeader is the block that stands for several others.
var dynamicHeader = hcl.BlockHeaderSchema{Type: "dynamic", LabelNames: []string{"type"}}

// dynamicSchema is that of its body.
var dynamicSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "for_each", Required: true}, {Name: "iterator"}, {Name: "labels"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "content"}},
}

// A written is a nested block as it is written out or as a dynamic block makes
// it, with what its expressions see.
type written struct {
	label   string
	labelAt hcl.Range
	def     hcl.Range
	body    hcl.Body
	ctx     *hcl.EvalContext
}

// writeOut returns the nested blocks of a kind, those of dynamic blocks
// included. Labelled kinds have one label. False means that some are not
// known, or have a fault that has been reported; they are evaluated once all
// the same, so that faults inside are found.
func (l *loader) writeOut(blocks hcl.Blocks, kind string, labelled bool, ctx *hcl.EvalContext) ([]written, bool) {
	var all []written
	ok := true
	for _, b := range blocks {
		switch {
		case b.Type == kind:
			w := written{def: headerOf(b), body: b.Body, ctx: ctx}
			if labelled {
				w.label, w.labelAt = b.Labels[0], b.LabelRanges[0]
			}
			all = append(all, w)
		case b.Type != "dynamic":
		case b.Labels[0] != kind:
			ok = false
			l.errorf(b.LabelRanges[0], "Invalid dynamic block", "dynamic works here for %s blocks only. Write dynamic %q, or for_each in a block around it.", kind, kind)
		default:
			made, good := l.dynamic(b, labelled, ctx)
			ok = ok && good
			all = append(all, made...)
		}
	}
	return all, ok
}

// dynamic makes the blocks of one dynamic block.
func (l *loader) dynamic(b *hcl.Block, labelled bool, ctx *hcl.EvalContext) ([]written, bool) {
	c := l.contentOf(b.Body, dynamicSchema)
	forEach := c.Attributes["for_each"]
	if len(c.Blocks) != 1 {
		l.errorf(headerOf(b), "Invalid dynamic block", "A dynamic block has one content block, the body of each block that it makes. Write content { … } in it.")
		return nil, false
	}
	if forEach == nil {
		return nil, false
	}
	iterator := b.Labels[0]
	if a := c.Attributes["iterator"]; a != nil {
		t, diags := hcl.AbsTraversalForExpr(a.Expr)
		if diags.HasErrors() || len(t) != 1 {
			l.errorf(a.Expr.Range(), "Invalid iterator", "An iterator is a name, written without quotes, that the content block uses as name.key and name.value.")
			return nil, false
		}
		iterator = t.RootName()
	}
	elements, ok := l.elements(forEach, ctx)
	if !ok {
		elements = []element{{cty.DynamicVal, cty.DynamicVal}}
	}
	var all []written
	for _, e := range elements {
		inner := ctx.NewChild()
		inner.Variables = map[string]cty.Value{iterator: cty.ObjectVal(map[string]cty.Value{"key": e.key, "value": e.val})}
		w := written{def: headerOf(b), body: c.Blocks[0].Body, ctx: inner}
		if labelled {
			a := c.Attributes["labels"]
			if a == nil {
				l.errorf(headerOf(b), "Missing required argument", "The blocks that this makes have a label: write labels = [%s].", map[string]string{"grant": `"digest"`, "auth": `"digest"`}[b.Labels[0]])
				return all, false
			}
			v := l.attribute(a, inner, cty.List(cty.String))
			if v.state != known || v.LengthInt() != 1 {
				if v.state == known {
					l.errorf(a.Expr.Range(), "Invalid labels", "A %s block has one label, its scheme.", b.Labels[0])
				}
				ok = false
				continue
			}
			w.label, w.labelAt = v.strs()[0], a.Expr.Range()
		}
		all = append(all, w)
	}
	return all, ok
}

// An element is the key and value of one block to make.
type element struct{ key, val cty.Value }

// elements evaluates for_each of a dynamic block, which takes lists too. False
// means that they are not known.
func (l *loader) elements(a *hcl.Attribute, ctx *hcl.EvalContext) ([]element, bool) {
	v, diags := a.Expr.Value(ctx)
	l.evaluated(diags)
	switch {
	case diags.HasErrors():
		return nil, false
	case v.IsMarked():
		l.errorf(a.Expr.Range(), "Invalid for_each", "The number of blocks is shown, and this value is sensitive. Use one that is not, or nonsensitive() if it is no secret.")
		return nil, false
	case !v.IsKnown():
		l.unknown(a.Expr.Range())
		return nil, false
	case v.IsNull() || !v.CanIterateElements():
		l.exprf(a.Expr, ctx, "Invalid for_each", "for_each of a dynamic block takes a list, a set or a map; this is %s.", article(kindOf(v)))
		return nil, false
	}
	var all []element
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if v.Type().IsSetType() {
			k = e
		}
		all = append(all, element{k, e})
	}
	return all, true
}
