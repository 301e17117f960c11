package hcl

import (
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// What uniform makes of a value converts to what the value itself converts to.
func TestUniformConvertsAlike(t *testing.T) {
	a, b, one := cty.StringVal("a"), cty.StringVal("b"), cty.NumberIntVal(1)
	pair := func(x, y cty.Value) cty.Value { return cty.ObjectVal(map[string]cty.Value{"x": x, "y": y}) }
	values := []cty.Value{
		cty.EmptyTupleVal, cty.EmptyObjectVal, cty.TupleVal([]cty.Value{a}), cty.TupleVal([]cty.Value{b, a, a}), cty.TupleVal([]cty.Value{a, one}),
		cty.TupleVal([]cty.Value{a, cty.NullVal(cty.String)}), cty.TupleVal([]cty.Value{a, cty.NullVal(cty.DynamicPseudoType)}),
		cty.TupleVal([]cty.Value{a, cty.UnknownVal(cty.String)}), cty.TupleVal([]cty.Value{a, cty.DynamicVal}),
		cty.TupleVal([]cty.Value{a, b.Mark(sensitive)}), cty.TupleVal([]cty.Value{a, b}).Mark(sensitive),
		cty.TupleVal([]cty.Value{pair(a, one), pair(b, one)}), cty.TupleVal([]cty.Value{pair(a, one), pair(one, a)}),
		cty.TupleVal([]cty.Value{cty.TupleVal([]cty.Value{a}), cty.TupleVal([]cty.Value{b})}), cty.TupleVal([]cty.Value{cty.EmptyTupleVal, cty.TupleVal([]cty.Value{b})}),
		pair(a, b), pair(a, one), pair(a, b.Mark(sensitive)), pair(a, cty.UnknownVal(cty.String)), pair(a, b).Mark(sensitive),
		cty.ListVal([]cty.Value{a, b}), cty.SetVal([]cty.Value{a, b}), cty.MapVal(map[string]cty.Value{"x": a}),
		cty.NullVal(cty.EmptyTuple), cty.UnknownVal(cty.Tuple([]cty.Type{cty.String})), cty.DynamicVal, a, one,
	}
	for name, ty := range map[string]cty.Type{
		"tolist": cty.List(cty.DynamicPseudoType), "toset": cty.Set(cty.DynamicPseudoType), "tomap": cty.Map(cty.DynamicPseudoType), "tostring": cty.String,
	} {
		for _, v := range values {
			want, wantErr := stdlib.MakeToFunc(ty).Call([]cty.Value{v})
			got, err := conversion(name, ty).Call([]cty.Value{v})
			if (err != nil) != (wantErr != nil) || err == nil && !got.RawEquals(want) {
				t.Errorf("%s(%s): got %s, %v; want %s, %v", name, fmt.Sprintf("%#v", v), fmt.Sprintf("%#v", got), err, fmt.Sprintf("%#v", want), wantErr)
			}
		}
	}
}
