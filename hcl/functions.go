package hcl

import (
	"errors"
	"fmt"
	"maps"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/lockform/lockform/zkfs"
)

// pureFunctions are Terraform's functions whose result depends on their
// arguments alone. There are none of time, chance or the network: a layout
// means the same whenever it is read.
var pureFunctions = map[string]function.Function{
	"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc,
	"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc, "signum": stdlib.SignumFunc,

	"chomp": stdlib.ChompFunc, "format": stdlib.FormatFunc, "formatlist": stdlib.FormatListFunc, "indent": stdlib.IndentFunc,
	"join": stdlib.JoinFunc, "lower": stdlib.LowerFunc, "regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc,
	"split": stdlib.SplitFunc, "strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc, "title": stdlib.TitleFunc,
	"trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc,
	"upper": stdlib.UpperFunc, "replace": replaceFunc, "startswith": startsWithFunc, "endswith": endsWithFunc, "strcontains": strContainsFunc,

	"chunklist": stdlib.ChunklistFunc, "coalesce": coalesceFunc, "coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc,
	"concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc,
	"flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc, "merge": stdlib.MergeFunc, "range": stdlib.RangeFunc,
	"reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc, "setproduct": stdlib.SetProductFunc,
	"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc, "sort": stdlib.SortFunc,
	"values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
	"alltrue": allTrueFunc, "anytrue": anyTrueFunc, "index": indexFunc, "length": lengthFunc, "lookup": lookupFunc,
	"matchkeys": matchKeysFunc, "one": oneFunc, "sum": sumFunc, "transpose": transposeFunc,

	"csvdecode": stdlib.CSVDecodeFunc, "jsondecode": shallow(stdlib.JSONDecodeFunc), "jsonencode": stdlib.JSONEncodeFunc,
	"yamldecode": shallow(yaml.YAMLDecodeFunc), "yamlencode": yaml.YAMLEncodeFunc,
	"base64decode": base64DecodeFunc, "base64encode": base64EncodeFunc, "base64gzip": base64GzipFunc,
	"textdecodebase64": textDecodeBase64Func, "textencodebase64": textEncodeBase64Func, "urlencode": urlEncodeFunc, "urldecode": urlDecodeFunc,

	"base64sha256": hashFunc(sha256Sum, base64Text), "base64sha512": hashFunc(sha512Sum, base64Text), "md5": hashFunc(md5Sum, hexText),
	"sha1": hashFunc(sha1Sum, hexText), "sha256": hashFunc(sha256Sum, hexText), "sha512": hashFunc(sha512Sum, hexText), "uuidv5": uuidV5Func,

	"basename": baseNameFunc, "dirname": dirNameFunc,
	"cidrhost": cidrHostFunc, "cidrnetmask": cidrNetmaskFunc, "cidrsubnet": cidrSubnetFunc, "cidrsubnets": cidrSubnetsFunc,
	"formatdate": stdlib.FormatDateFunc, "timeadd": stdlib.TimeAddFunc, "timecmp": timeCmpFunc,

	"can": tryfunc.CanFunc, "try": tryfunc.TryFunc,
	"tobool": conversion("tobool", cty.Bool), "tolist": conversion("tolist", cty.List(cty.DynamicPseudoType)), "tomap": conversion("tomap", cty.Map(cty.DynamicPseudoType)),
	"tonumber": conversion("tonumber", cty.Number), "toset": conversion("toset", cty.Set(cty.DynamicPseudoType)), "tostring": conversion("tostring", cty.String),
	"sensitive": sensitiveFunc, "nonsensitive": nonsensitiveFunc, "issensitive": isSensitiveFunc,

	"zkdigest": zkDigestFunc,
}

// allFunctions returns the functions of a run: the pure ones, and those that
// read files and the environment.
func (l *loader) allFunctions() map[string]function.Function {
	all := maps.Clone(pureFunctions)
	all["file"] = l.fileFunc()
	all["env"] = l.envFunc()
	all["templatestring"] = templateStringFunc(maps.Clone(all))
	return all
}

// fileFunc reads a text file; paths are relative to the layout's directory.
func (l *loader) fileFunc() function.Function {
	return function.New(&function.Spec{
		Description: "The text of a file.",
		Params:      []function.Parameter{{Name: "path", Type: cty.String}},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			data, err := readFile(l.join(name))
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "the file cannot be read: %s; paths are relative to the layout directory", reason(err, name))
			}
			if !utf8.Valid(data) {
				return cty.NilVal, function.NewArgErrorf(0, "%s is not UTF-8 text", name)
			}
			return cty.StringVal(string(data)), nil
		},
	})
}

// envFunc reads a variable of the environment; one that is not set is an error
// unless a second argument says what to use.
func (l *loader) envFunc() function.Function {
	return function.New(&function.Spec{
		Description: "The value of an environment variable.",
		Params:      []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam:    &function.Parameter{Name: "default", Type: cty.String, AllowNull: true},
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, errors.New("env takes a name and at most one default")
			}
			name := args[0].AsString()
			if v, ok := l.env[name]; ok {
				if !utf8.ValidString(v) {
					return cty.NilVal, function.NewArgErrorf(0, "the environment variable %s is not UTF-8 text", name)
				}
				return cty.StringVal(v), nil
			}
			if len(args) == 2 {
				return args[1], nil
			}
			return cty.NilVal, function.NewArgErrorf(0, "the environment variable %s is not set; set it, or give a default: env(%q, \"…\")", name, name)
		},
	})
}

// zkDigestFunc returns the id of a user and password in the scheme digest. It
// unmarks: the digest is printed, the password is not.
var zkDigestFunc = function.New(&function.Spec{
	Description: "The id of a user and password in the ACL scheme digest.",
	Params:      []function.Parameter{{Name: "user", Type: cty.String}, {Name: "password", Type: cty.String, AllowMarked: true}},
	Type:        function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		password, _ := args[1].Unmark()
		if !password.IsKnown() {
			return cty.UnknownVal(cty.String), nil
		}
		if password.AsString() == "" {
			return cty.NilVal, function.NewArgErrorf(1, "the password is empty")
		}
		return cty.StringVal(zkfs.Digest(args[0].AsString(), password.AsString()).ID), nil
	},
})

var sensitiveFunc = function.New(&function.Spec{
	Description: "The value, marked as sensitive.",
	Params:      []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true}},
	Type:        func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return args[0].Mark(sensitive), nil
	},
})

var nonsensitiveFunc = function.New(&function.Spec{
	Description: "The value, not sensitive any more.",
	Params:      []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true}},
	Type:        func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, _ := args[0].Unmark()
		return v, nil
	},
})

var isSensitiveFunc = function.New(&function.Spec{
	Description: "Whether the value is sensitive.",
	Params:      []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true}},
	Type:        function.StaticReturnType(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return cty.BoolVal(args[0].HasMark(sensitive)), nil
	},
})

// shallow makes a function refuse a text that is nested so deep that its parser
// would fill the stack.
func shallow(f function.Function) function.Function {
	check := func(args []cty.Value) error {
		if args[0].IsKnown() && tooDeep([]byte(args[0].AsString())) > 0 {
			return function.NewArgErrorf(0, "the text has brackets more than %d levels deep", maxDepth)
		}
		return nil
	}
	return function.New(&function.Spec{
		Description: f.Description(),
		Params:      f.Params(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := check(args); err != nil {
				return cty.NilType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

// conversion returns a function that converts to a type. What it says about a
// sensitive value does not repeat it.
func conversion(name string, ty cty.Type) function.Function {
	f := stdlib.MakeToFunc(ty)
	return function.New(&function.Spec{
		Description: "The value, converted to " + ty.FriendlyName() + ".",
		Params:      []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			t, err := f.ReturnTypeForValues([]cty.Value{uniform(args[0], ty)})
			return t, plainly(args[0], name, err)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call([]cty.Value{uniform(args[0], ty)})
			return v, plainly(args[0], name, err)
		},
	})
}

// uniform makes a list of a tuple whose elements are all of one type, and a map
// of such an object, when they are to become a collection anyway: of those cty
// compares the type of each element with that of every other, which would take
// toset([for …]) of 100,000 elements minutes.
func uniform(v cty.Value, to cty.Type) cty.Value {
	if !to.IsCollectionType() {
		return v
	}
	bare, marks := v.Unmark()
	from := bare.Type()
	if !bare.IsKnown() || bare.IsNull() || !from.IsTupleType() && !from.IsObjectType() || bare.LengthInt() == 0 {
		return v
	}
	var only cty.Type
	for it := bare.ElementIterator(); it.Next(); {
		_, e := it.Element()
		switch t := e.Type(); {
		case t == cty.DynamicPseudoType:
			return v
		case only == cty.NilType:
			only = t
		case !only.Equals(t):
			return v
		}
	}
	if from.IsTupleType() {
		return cty.ListVal(bare.AsValueSlice()).WithMarks(marks)
	}
	return cty.MapVal(bare.AsValueMap()).WithMarks(marks)
}

func plainly(v cty.Value, name string, err error) error {
	if err != nil && v.ContainsMarked() {
		return fmt.Errorf("%s cannot convert this sensitive %s", name, v.Type().FriendlyName())
	}
	return err
}
