package hcl

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcled"
	"github.com/zclconf/go-cty/cty"
)

// render turns what was found into Diagnostics, sorted, without what follows
// from a file that could not be parsed, and without secrets.
func (l *loader) render() Diagnostics {
	list := slices.Clone(l.finish())
	list = l.withoutConsequences(list)
	slices.SortStableFunc(list, compareDiagnostics)
	var out Diagnostics
	spans := map[string][]span{}
	for _, d := range list {
		r := Diagnostic{Severity: Error, Summary: l.scrub(d.Summary), Detail: l.scrub(d.Detail)}
		if d.Severity == hcl.DiagWarning {
			r.Severity = Warning
		}
		if d.Subject != nil {
			r.Range = &Range{Filename: d.Subject.Filename, Start: position(d.Subject.Start), End: position(d.Subject.End)}
			if s := l.sources[d.Subject.Filename]; s != nil {
				if _, ok := spans[s.name]; !ok {
					spans[s.name] = l.secretSpans(s)
				}
				r.Snippet = l.snippet(s, spans[s.name], d)
			}
		}
		out = append(out, r)
	}
	return out
}

func position(p hcl.Pos) Position { return Position{Line: p.Line, Column: p.Column, Byte: p.Byte} }

func compareDiagnostics(a, b *hcl.Diagnostic) int {
	if (a.Subject == nil) != (b.Subject == nil) {
		if a.Subject == nil {
			return -1
		}
		return 1
	}
	if a.Subject != nil {
		if n := strings.Compare(a.Subject.Filename, b.Subject.Filename); n != 0 {
			return n
		}
		if n := a.Subject.Start.Byte - b.Subject.Start.Byte; n != 0 {
			return n
		}
	}
	if n := strings.Compare(a.Summary, b.Summary); n != 0 {
		return n
	}
	return strings.Compare(a.Detail, b.Detail)
}

// The summaries of faults that a file that could not be parsed may bring about.
const (
	noLayout            = "No layout"
	undeclaredValue     = "Value for undeclared variable"
	undeclaredReference = "Reference to undeclared "
	missingValue        = "No value for required variable"
)

// withoutConsequences leaves out what may only follow from a file that could
// not be parsed: everything else about that file, and what seems to be missing.
func (l *loader) withoutConsequences(list hcl.Diagnostics) hcl.Diagnostics {
	config, values := false, false
	for _, s := range l.sources {
		config, values = config || s.broken && !s.values, values || s.broken && s.values
	}
	unnamed := slices.ContainsFunc(list, func(d *hcl.Diagnostic) bool {
		return d.Summary == "Missing name for layout" || d.Subject != nil && l.badLayout[*d.Subject]
	})
	return slices.DeleteFunc(list, func(d *hcl.Diagnostic) bool {
		if d.Summary == noLayout && unnamed {
			return true
		}
		if l.syntax[d] {
			return false
		}
		if d.Subject != nil {
			if s := l.sources[d.Subject.Filename]; s != nil && s.broken {
				return true
			}
		}
		return config && (d.Summary == noLayout || d.Summary == undeclaredValue || strings.HasPrefix(d.Summary, undeclaredReference)) ||
			values && d.Summary == missingValue
	})
}

// maxSnippet is the longest part of a source that is shown, in bytes.
const maxSnippet = 4096

// snippet cuts out the lines that a diagnostic is about.
func (l *loader) snippet(s *source, spans []span, d *hcl.Diagnostic) *Snippet {
	src := s.file.Bytes
	from, to := clamp(d.Subject.Start.Byte, src), clamp(d.Subject.End.Byte, src)
	to = max(from, to)
	begin := bytes.LastIndexByte(src[:from], '\n') + 1
	// A long block is shown by its first lines.
	end, lines := begin, 0
	for ; end < len(src) && lines < 8; lines++ {
		n := bytes.IndexByte(src[end:], '\n')
		if n < 0 {
			end = len(src)
			break
		}
		end += n + 1
		if end > to || end == to && to > from {
			break
		}
	}
	if end-begin > maxSnippet {
		// A file on one line, as programs write them: what is near.
		begin, end = max(begin, from-maxSnippet/4), min(end, from+maxSnippet)
	}
	code, at := redact(src, span{begin, end}, spans)
	code = strings.TrimRight(code, "\r\n")
	if valid := strings.ToValidUTF8(code, "\uFFFD"); valid != code {
		code, at = valid, func(int) int { return 0 }
	}
	out := &Snippet{
		Code: l.scrub(code), StartLine: max(d.Subject.Start.Line, 1),
		HighlightStartOffset: at(from), HighlightEndOffset: at(min(to, end)),
		Values: []ExpressionValue{},
	}
	if from == to && out.HighlightEndOffset < len(out.Code) {
		out.HighlightEndOffset++
	}
	if out.Code != code {
		out.HighlightStartOffset, out.HighlightEndOffset = 0, len(out.Code)
	}
	out.HighlightEndOffset = min(out.HighlightEndOffset, len(out.Code))
	out.HighlightStartOffset = min(out.HighlightStartOffset, out.HighlightEndOffset)
	if c := hcled.ContextString(s.file, from); c != "" && !s.values {
		c = l.scrub(c)
		out.Context = &c
	}
	if d.Expression != nil && d.EvalContext != nil && !s.values {
		out.Values = l.expressionValues(d.Expression, d.EvalContext)
	}
	return out
}

func clamp(offset int, src []byte) int { return min(max(offset, 0), len(src)) }

// expressionValues tells the values that an expression refers to, as
// Terraform does.
func (l *loader) expressionValues(e hcl.Expression, ctx *hcl.EvalContext) []ExpressionValue {
	values := map[string]string{}
	for _, t := range e.Variables() {
		for len(t) > 1 {
			v, diags := t.TraverseAbs(ctx)
			if diags.HasErrors() {
				// The end of it is what is wrong; tell what it was looked for in.
				t = t[:len(t)-1]
				continue
			}
			if s := statementOf(v); s != "" {
				values[traversalString(t)] = l.scrub(s)
			}
			break
		}
	}
	out := []ExpressionValue{}
	for _, k := range slices.Sorted(maps.Keys(values)) {
		out = append(out, ExpressionValue{Traversal: l.scrub(k), Statement: values[k]})
	}
	return out
}

func statementOf(v cty.Value) string {
	switch {
	case v.IsMarked():
		return "has a sensitive value"
	case !v.IsKnown():
		return ""
	case v.IsNull():
		return "is null"
	}
	ty := v.Type()
	switch {
	case ty == cty.Bool:
		return fmt.Sprintf("is %t", v.True())
	case ty == cty.Number:
		return "is " + v.AsBigFloat().Text('g', 10)
	case ty == cty.String:
		return "is " + strconv.Quote(v.AsString())
	case ty.IsCollectionType() || ty.IsTupleType():
		switch n := v.LengthInt(); n {
		case 0:
			return "is empty " + ty.FriendlyName()
		case 1:
			return "is " + ty.FriendlyName() + " with 1 element"
		default:
			return fmt.Sprintf("is %s with %d elements", ty.FriendlyName(), n)
		}
	case ty.IsObjectType():
		switch n := len(ty.AttributeTypes()); n {
		case 0:
			return "is object with no attributes"
		case 1:
			return "is object with 1 attribute"
		default:
			return fmt.Sprintf("is object with %d attributes", n)
		}
	}
	return "is " + ty.FriendlyName()
}

// traversalString writes a reference as it stands in the source.
func traversalString(t hcl.Traversal) string {
	var b strings.Builder
	for _, s := range t {
		switch s := s.(type) {
		case hcl.TraverseRoot:
			b.WriteString(s.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + s.Name)
		case hcl.TraverseIndex:
			switch k, _ := s.Key.Unmark(); {
			case !k.IsKnown() || k.IsNull():
				b.WriteString("[…]")
			case k.Type() == cty.String:
				b.WriteString("[" + strconv.Quote(k.AsString()) + "]")
			case k.Type() == cty.Number:
				b.WriteString("[" + k.AsBigFloat().Text('f', -1) + "]")
			default:
				b.WriteString("[…]")
			}
		}
	}
	return b.String()
}

// scrub takes known secrets out of a text. It is the last line of defence:
// what builds a text shows none to begin with.
func (l *loader) scrub(text string) string {
	for s := range l.secrets {
		// A very short text would be found everywhere, and tell more by its
		// absence than by its presence.
		if len(s) < 4 {
			continue
		}
		for _, form := range []string{s, strings.Trim(strconv.Quote(s), `"`)} {
			text = strings.ReplaceAll(text, form, "(sensitive value)")
		}
	}
	return text
}
