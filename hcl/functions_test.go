package hcl

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// evalText evaluates an expression with the functions of a layout.
func evalText(t *testing.T, text string, vars map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
	t.Helper()
	e, diags := hclsyntax.ParseExpression([]byte(text), "x.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%s: %v", text, diags)
	}
	l := newLoader(t.TempDir(), Options{Environ: []string{"SET=value", "BAD=\xff"}})
	return e.Value(&hcl.EvalContext{Functions: l.functions, Variables: vars})
}

// TestFunctionErrors checks what functions say about arguments that they do
// not take. What functions return is in testdata/good/variables.txtar.
func TestFunctionErrors(t *testing.T) {
	for text, want := range map[string]string{
		`env("SET", "a", "b")`:                  "at most one default",
		`env("BAD")`:                            "not UTF-8",
		`env("UNSET")`:                          "is not set",
		`file("gone")`:                          "gone does not exist",
		`file("/dev/null")`:                     "not a regular file",
		`zkdigest("u", "")`:                     "password is empty",
		`lookup({}, "a")`:                       "no attribute of that name",
		`lookup(tomap({ a = 1 }), "b")`:         `no key "b"`,
		`lookup(tomap({ a = 1 }), "b", "x")`:    "type of the map's elements",
		`lookup(["a"], "a")`:                    "takes a map or an object",
		`lookup({}, "a", 1, 2)`:                 "at most one default",
		`index("a", "b")`:                       "takes a list",
		`index(["a"], "b")`:                     "does not have the value",
		`one(toset(["a", "b"]))`:                "has 2 elements",
		`one("a")`:                              "takes a list",
		`sum([])`:                               "not empty",
		`sum(["x"])`:                            "must be a number",
		`coalesce("", null)`:                    "neither null nor empty",
		`coalesce([], "a")`:                     "one type",
		`matchkeys(["a"], [], [])`:              "equally long",
		`transpose({ a = [null] })`:             "has null in it",
		`length(true)`:                          "length takes",
		`cidrhost("x", 1)`:                      "not an address prefix",
		`cidrhost("10.0.0.0/30", 4)`:            "no host of that number",
		`cidrhost("10.0.0.0/30", -5)`:           "no host of that number",
		`cidrhost("10.0.0.0/30", 1.5)`:          "whole number",
		`cidrnetmask("::/64")`:                  "only IPv4",
		`cidrsubnet("10.0.0.0/30", 3, 0)`:       "cannot be extended",
		`cidrsubnet("10.0.0.0/24", 2, 4)`:       "cannot hold",
		`cidrsubnets("10.0.0.0/24", 1, 1, 1)`:   "not enough room",
		`cidrsubnets("10.0.0.0/24", 0)`:         "cannot be extended",
		`base64decode("%")`:                     "not base64",
		`base64decode("/w==")`:                  "not UTF-8",
		`textencodebase64("a", "nope")`:         "not the name of a supported encoding",
		`textdecodebase64("YQ==", "nope")`:      "not the name of a supported encoding",
		`textdecodebase64("%", "UTF-8")`:        "not base64",
		`textencodebase64("ж", "ISO-8859-1")`:   "has characters",
		`urldecode("%zz")`:                      "not escaped",
		`uuidv5("x", "y")`:                      "neither a UUID",
		`templatestring("$${", {})`:             "the template, line 1",
		`templatestring("a\n$${x}", { y = 1 })`: "line 2, uses \"x\"",
		`templatestring("$${x}", ["y"])`:        "as a map or an object",
		`templatestring("$${x}", { x = [1] })`:  "and not a string",
		`templatestring("$${x.y}", { x = { z = sensitive("s3cr3t") } })`: "these sensitive variables",
		`templatestring("$${templatestring(x, {})}", { x = "" })`:        "no function named",
		`timecmp("now", "now")`:                "not a timestamp",
		`tonumber("x")`:                        "cannot convert",
		`timestamp()`:                          "no function named",
		`uuid()`:                               "no function named",
		`bcrypt("x")`:                          "no function named",
		`fileset("x", "y")`:                    "no function named",
		`templatefile("x", {})`:                "no function named",
		`tonumber(sensitive("s3cr3t"))`:        "cannot convert this sensitive string",
		`lookup(tomap({}), sensitive("hush"))`: "the map has no such key",
	} {
		v, diags := evalText(t, text, nil)
		if !diags.HasErrors() {
			t.Errorf("%s: got %#v, want an error", text, v)
			continue
		}
		if !strings.Contains(diags.Error(), want) || strings.Contains(diags.Error(), secretText) {
			t.Errorf("%s: got %v, want %q", text, diags, want)
		}
	}
}

// TestFunctionsTakeUnknownValues calls every function with arguments that are
// unknown, null or sensitive, as "validate" does. None may panic, and none may
// lose the mark of a secret but those that are made for it.
func TestFunctionsTakeUnknownValues(t *testing.T) {
	l := newLoader(t.TempDir(), Options{})
	unmark := map[string]bool{"nonsensitive": true, "issensitive": true, "zkdigest": true}
	samples := []cty.Value{
		cty.DynamicVal, cty.UnknownVal(cty.String), cty.UnknownVal(cty.List(cty.String)), cty.UnknownVal(cty.Map(cty.String)),
		cty.NullVal(cty.DynamicPseudoType), cty.NullVal(cty.String), cty.StringVal("a"), cty.NumberIntVal(3), cty.True,
		cty.ListVal([]cty.Value{cty.StringVal("a")}), cty.ListValEmpty(cty.String), cty.EmptyTupleVal, cty.EmptyObjectVal,
		cty.TupleVal([]cty.Value{cty.DynamicVal}), cty.ListVal([]cty.Value{cty.UnknownVal(cty.String)}), cty.SetVal([]cty.Value{cty.UnknownVal(cty.String)}),
		cty.MapVal(map[string]cty.Value{"a": cty.UnknownVal(cty.String)}), cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("b")}),
		cty.MapVal(map[string]cty.Value{"a": cty.ListVal([]cty.Value{cty.UnknownVal(cty.String)})}),
		cty.UnknownVal(cty.Bool), cty.UnknownVal(cty.Number), cty.StringVal("10.0.0.0/8"),
	}
	for _, name := range slices.Sorted(maps.Keys(l.functions)) {
		f := l.functions[name]
		if name == "can" || name == "try" {
			continue // they take expressions, not values
		}
		for n := range 4 {
			for i := range samples {
				args := make([]cty.Value, n)
				for j := range args {
					args[j] = samples[(i+j*7)%len(samples)]
				}
				v, err := f.Call(args)
				if n == 0 || err != nil || unmark[name] || !v.IsWhollyKnown() || !args[0].IsWhollyKnown() || args[0].IsNull() {
					continue // what is not known reveals nothing
				}
				args[0] = args[0].Mark(sensitive)
				marked, err := f.Call(args)
				if err == nil && !marked.ContainsMarked() {
					t.Errorf("%s%v is %#v, and not sensitive with a sensitive argument", name, args, v)
				}
			}
		}
	}
}

func TestTemplateString(t *testing.T) {
	for text, want := range map[string]cty.Value{
		`templatestring("$${a}-$${upper(b)}", { a = 1, b = "x" })`:                          cty.StringVal("1-X"),
		`templatestring("%%{ for k, v in m ~}$${k}=$${v};%%{ endfor }", { m = { a = 1 } })`: cty.StringVal("a=1;"),
		`templatestring("$${a}", { a = true })`:                                             cty.StringVal("true"),
		`templatestring("plain", {})`:                                                       cty.StringVal("plain"),
		`templatestring("$${a}", { a = sensitive("x") })`:                                   cty.StringVal("x").Mark(sensitive),
	} {
		if v, diags := evalText(t, text, nil); diags.HasErrors() || !v.RawEquals(want) {
			t.Errorf("%s: got %#v, %v, want %#v", text, v, diags, want)
		}
	}
}
