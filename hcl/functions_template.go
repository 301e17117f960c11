package hcl

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// templateStringFunc fills in a template that is a value and no part of the
// file. It sees the given variables and functions, of which it is none: it ends.
func templateStringFunc(functions map[string]function.Function) function.Function {
	return function.New(&function.Spec{
		Description: "A template with its variables filled in.",
		Params: []function.Parameter{
			{Name: "template", Type: cty.String},
			{Name: "vars", Type: cty.DynamicPseudoType, AllowMarked: true},
		},
		Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			vars, marks := args[1].UnmarkDeep()
			if ty := vars.Type(); !ty.IsObjectType() && !ty.IsMapType() {
				return cty.NilVal, function.NewArgErrorf(1, "templatestring takes the variables as a map or an object")
			}
			v, err := fillIn(args[0].AsString(), vars, functions)
			switch {
			case err != nil && len(marks) > 0:
				return cty.NilVal, function.NewArgErrorf(0, "the template cannot be filled in with these sensitive variables")
			case err != nil:
				return cty.NilVal, function.NewArgError(0, err)
			}
			return v.WithMarks(marks), nil
		},
	})
}

// fillIn evaluates a template.
func fillIn(source string, vars cty.Value, functions map[string]function.Function) (cty.Value, error) {
	if tooDeep([]byte(source)) > 0 {
		return cty.NilVal, fmt.Errorf("the template has brackets more than %d levels deep", maxDepth)
	}
	e, diags := hclsyntax.ParseTemplate([]byte(source), "template", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, inTemplate(diags)
	}
	ctx := &hcl.EvalContext{Variables: vars.AsValueMap(), Functions: functions}
	for _, t := range e.Variables() {
		if _, ok := ctx.Variables[t.RootName()]; !ok {
			return cty.NilVal, fmt.Errorf("the template, line %d, uses %q, which is not among the variables that it is given", t.SourceRange().Start.Line, t.RootName())
		}
	}
	v, diags := e.Value(ctx)
	if diags.HasErrors() {
		return cty.NilVal, inTemplate(diags)
	}
	s, err := convert.Convert(v, cty.String)
	if err != nil || s.IsNull() {
		return cty.NilVal, fmt.Errorf("the template gives %s, and not a string", v.Type().FriendlyName())
	}
	return s, nil
}

// inTemplate tells the first fault of a template.
func inTemplate(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			return fmt.Errorf("the template, line %d: %s; %s", d.Subject.Start.Line, d.Summary, d.Detail)
		}
	}
	return diags
}
