package hcl

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// lengthFunc counts the elements of a collection, the attributes of an object
// or the characters of a text.
var lengthFunc = function.New(&function.Spec{
	Description: "The number of elements, attributes or characters.",
	Params:      []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		if ty == cty.String || ty == cty.DynamicPseudoType || ty.IsCollectionType() || ty.IsTupleType() || ty.IsObjectType() {
			return cty.Number, nil
		}
		return cty.Number, errors.New("length takes a list, set, map, tuple, object or string")
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		ty := v.Type()
		switch {
		case ty == cty.DynamicPseudoType:
			return cty.UnknownVal(cty.Number).WithMarks(marks), nil
		case ty.IsTupleType():
			return cty.NumberIntVal(int64(len(ty.TupleElementTypes()))).WithMarks(marks), nil
		case ty.IsObjectType():
			return cty.NumberIntVal(int64(len(ty.AttributeTypes()))).WithMarks(marks), nil
		case !v.IsKnown():
			return cty.UnknownVal(cty.Number).WithMarks(marks), nil
		case ty == cty.String:
			n, err := stdlib.Strlen(v)
			return n.WithMarks(marks), err
		}
		return v.Length().WithMarks(marks), nil
	},
})

// coalesceFunc returns the first argument that is neither null nor an empty
// text.
var coalesceFunc = function.New(&function.Spec{
	Description: "The first value that is neither null nor empty text.",
	VarParam:    &function.Parameter{Name: "vals", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowNull: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		var types []cty.Type
		for _, a := range args {
			types = append(types, a.Type())
		}
		ty, _ := convert.UnifyUnsafe(types)
		if ty == cty.NilType {
			return cty.NilType, errors.New("all arguments must have one type")
		}
		return ty, nil
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		for _, a := range args {
			v, err := convert.Convert(a, ty)
			switch {
			case err != nil:
				return cty.NilVal, err
			case !v.IsKnown():
				return cty.UnknownVal(ty), nil
			case v.IsNull() || ty == cty.String && v.AsString() == "":
				continue
			}
			return v, nil
		}
		return cty.NilVal, errors.New("no argument is neither null nor empty")
	},
})

// lookupFunc returns the element of a map by its key; without a default a key
// that is not there is an error.
var lookupFunc = function.New(&function.Spec{
	Description: "The element of a map, or a default.",
	Params:      []function.Parameter{{Name: "map", Type: cty.DynamicPseudoType, AllowMarked: true}, {Name: "key", Type: cty.String, AllowMarked: true}},
	VarParam:    &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowNull: true, AllowMarked: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		if len(args) > 3 {
			return cty.NilType, errors.New("lookup takes a map, a key and at most one default")
		}
		ty := args[0].Type()
		switch {
		case ty.IsObjectType():
			key, _ := args[1].Unmark()
			if !key.IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			if ty.HasAttribute(key.AsString()) {
				return ty.AttributeType(key.AsString()), nil
			}
			if len(args) == 3 {
				return args[2].Type(), nil
			}
			return cty.NilType, function.NewArgErrorf(0, "it has no attribute of that name, and no default is given")
		case ty.IsMapType():
			if len(args) == 3 {
				if _, err := convert.Convert(args[2], ty.ElementType()); err != nil {
					return cty.NilType, function.NewArgErrorf(2, "the default must have the type of the map's elements")
				}
			}
			return ty.ElementType(), nil
		}
		return cty.NilType, function.NewArgErrorf(0, "lookup takes a map or an object")
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		m, marks := args[0].Unmark()
		key, keyMarks := args[1].Unmark()
		all := []cty.ValueMarks{marks, keyMarks}
		if !m.IsKnown() || !key.IsKnown() {
			return cty.UnknownVal(ty).WithMarks(all...), nil
		}
		if m.Type().IsObjectType() {
			if m.Type().HasAttribute(key.AsString()) {
				return m.GetAttr(key.AsString()).WithMarks(all...), nil
			}
		} else if m.HasIndex(key).True() {
			return m.Index(key).WithMarks(all...), nil
		}
		if len(args) == 3 {
			v, err := convert.Convert(args[2], ty)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(2, "the default must have the type of the map's elements")
			}
			return v.WithMarks(all...), nil
		}
		if len(keyMarks) > 0 {
			return cty.NilVal, function.NewArgErrorf(1, "the map has no such key, and no default is given")
		}
		return cty.NilVal, function.NewArgErrorf(1, "the map has no key %q, and no default is given", key.AsString())
	},
})

// indexFunc finds the first place of a value in a list.
var indexFunc = function.New(&function.Spec{
	Description: "The index of a value in a list.",
	Params:      []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType}},
	Type:        function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if ty := args[0].Type(); !ty.IsListType() && !ty.IsTupleType() {
			return cty.NilVal, function.NewArgErrorf(0, "index takes a list")
		}
		for i, e := range args[0].AsValueSlice() {
			eq, err := stdlib.Equal(e, args[1])
			switch {
			case err != nil:
				return cty.NilVal, err
			case !eq.IsKnown():
				return cty.UnknownVal(cty.Number), nil
			case eq.True():
				return cty.NumberIntVal(int64(i)), nil
			}
		}
		return cty.NilVal, errors.New("the list does not have the value")
	},
})

// matchKeysFunc returns the elements of values whose keys are searched for.
var matchKeysFunc = function.New(&function.Spec{
	Description: "The values whose keys are in a set.",
	Params: []function.Parameter{
		{Name: "values", Type: cty.List(cty.DynamicPseudoType)}, {Name: "keys", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "searchset", Type: cty.List(cty.DynamicPseudoType)},
	},
	Type: func(args []cty.Value) (cty.Type, error) {
		if args[1].Type() != args[2].Type() && args[1].LengthInt() > 0 && args[2].LengthInt() > 0 {
			return cty.NilType, errors.New("keys and searchset must have one type")
		}
		return args[0].Type(), nil
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		if args[0].LengthInt() != args[1].LengthInt() {
			return cty.NilVal, errors.New("values and keys must be equally long")
		}
		search := args[2].AsValueSlice()
		var out []cty.Value
		values := args[0].AsValueSlice()
		for i, k := range args[1].AsValueSlice() {
			if slices.ContainsFunc(search, func(s cty.Value) bool { return s.RawEquals(k) }) {
				out = append(out, values[i])
			}
		}
		if len(out) == 0 {
			return cty.ListValEmpty(ty.ElementType()), nil
		}
		return cty.ListVal(out), nil
	},
})

// oneFunc returns the element of a collection that has one, and null of an
// empty one.
var oneFunc = function.New(&function.Spec{
	Description: "The only element, or null.",
	Params:      []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		switch {
		case ty.IsListType() || ty.IsSetType():
			return ty.ElementType(), nil
		case ty.IsTupleType() && len(ty.TupleElementTypes()) == 0:
			return cty.DynamicPseudoType, nil
		case ty.IsTupleType() && len(ty.TupleElementTypes()) == 1:
			return ty.TupleElementType(0), nil
		}
		return cty.NilType, function.NewArgErrorf(0, "one takes a list, set or tuple with at most one element")
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		all := args[0].AsValueSlice()
		switch len(all) {
		case 0:
			return cty.NullVal(ty), nil
		case 1:
			return all[0], nil
		}
		return cty.NilVal, function.NewArgErrorf(0, "it has %d elements, and one takes at most one", len(all))
	},
})

// sumFunc adds numbers up.
var sumFunc = function.New(&function.Spec{
	Description: "The sum of numbers.",
	Params:      []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type:        function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		ty := args[0].Type()
		if !ty.IsListType() && !ty.IsSetType() && !ty.IsTupleType() || !args[0].CanIterateElements() || args[0].LengthInt() == 0 {
			return cty.NilVal, function.NewArgErrorf(0, "sum takes a list, set or tuple of numbers that is not empty")
		}
		total := cty.Zero
		for _, e := range args[0].AsValueSlice() {
			n, err := convert.Convert(e, cty.Number)
			if err != nil || n.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "every element must be a number")
			}
			if total, err = stdlib.Add(total, n); err != nil {
				return cty.NilVal, err
			}
		}
		return total, nil
	},
})

// truth returns a function of a list of booleans that stops at one that is
// stop.
func truth(description string, stop bool) function.Function {
	return function.New(&function.Spec{
		Description: description,
		Params:      []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			result, unknown := !stop, false
			for _, e := range args[0].AsValueSlice() {
				switch {
				case !e.IsKnown():
					unknown = true
				case e.IsNull():
					result = result && stop // null counts as false
				case e.True() == stop:
					return cty.BoolVal(stop), nil
				}
			}
			if unknown {
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(result), nil
		},
	})
}

var (
	allTrueFunc = truth("Whether all elements are true.", false)
	anyTrueFunc = truth("Whether one of the elements is true.", true)
)

// transposeFunc turns a map of lists around: from each element to the keys
// whose lists have it.
var transposeFunc = function.New(&function.Spec{
	Description: "A map of lists, turned around.",
	Params:      []function.Parameter{{Name: "values", Type: cty.Map(cty.List(cty.String))}},
	Type:        function.StaticReturnType(cty.Map(cty.List(cty.String))),
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		out := map[string][]cty.Value{}
		for it := args[0].ElementIterator(); it.Next(); {
			k, list := it.Element()
			if list.IsNull() {
				continue
			}
			for _, e := range list.AsValueSlice() {
				if e.IsNull() {
					return cty.NilVal, fmt.Errorf("the list of %q has null in it", k.AsString())
				}
				out[e.AsString()] = append(out[e.AsString()], k)
			}
		}
		if len(out) == 0 {
			return cty.MapValEmpty(ty.ElementType()), nil
		}
		m := map[string]cty.Value{}
		for k, list := range out {
			m[k] = cty.ListVal(list)
		}
		return cty.MapVal(m), nil
	},
})
