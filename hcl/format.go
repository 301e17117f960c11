package hcl

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns src in the canonical style. The filename tells the syntax and
// is cited in diagnostics: one that ends in ".json" is not HCL's native syntax
// and is returned as it is. A source that cannot be parsed is an error, and the
// result is nil. Format(Format(x)) is Format(x).
func Format(src []byte, filename string) ([]byte, Diagnostics) {
	if strings.HasSuffix(filename, ".json") {
		return src, nil
	}
	l := newLoader(".", Options{})
	l.sources[filename] = &source{name: filename, values: isVars(filename)}
	// The formatter takes anything; only the parser knows what is wrong.
	var f *hcl.File
	var diags hcl.Diagnostics
	if diags = unfit(src, filename); diags == nil {
		f, diags = hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	}
	if f == nil {
		f = &hcl.File{Body: hcl.EmptyBody(), Bytes: src}
	}
	l.sources[filename].file = f
	if diags.HasErrors() {
		for _, d := range diags {
			if isVars(filename) {
				d.Detail = hideQuoted(d.Detail)
			}
			l.syntax[d] = true
			l.add(d)
		}
		return nil, l.render()
	}
	// One pass can move what the next one aligns anew.
	out := src
	for range 8 {
		next := hclwrite.Format(out)
		if string(next) == string(out) {
			break
		}
		out = next
	}
	return out, nil
}
