package hcl

import (
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

const scopeText = `
layout "x" {}
variable "env" { default = "prod" }
variable "pw" {
  sensitive = true
  default   = "s3cr3t"
}
variable "n" { type = number }
locals {
  teams = toset(["a", "b"])
  bad   = var.gone
}
acl "team" {
  for_each = local.teams
  grant "world" { permissions = ["read"] }
}
policy "p" { max_hold = "1h" }
`

// TestScope evaluates expressions as a console does.
func TestScope(t *testing.T) {
	s, d := OpenScope(directory(t, map[string]string{"a.hcl": scopeText}), Options{})
	if d.Errors() != 2 {
		t.Errorf("got %d faults, want the reference and the missing value:\n%s", d.Errors(), show(t, d))
	}
	for text, want := range map[string]string{
		`upper(var.env)`:                      `"PROD"`,
		`1 + 2.5`:                             "3.5",
		`local.teams`:                         "toset([\n  \"a\",\n  \"b\",\n])",
		`{ a = [1, null], b = {} }`:           "{\n  \"a\" = [\n    1,\n    null,\n  ]\n  \"b\" = {}\n}",
		`tomap({ x = true })`:                 "tomap({\n  \"x\" = true\n})",
		`tolist([])`:                          "tolist([])",
		`var.pw`:                              "(sensitive value)",
		`{ a = var.pw }`:                      "{\n  \"a\" = (sensitive value)\n}",
		`length(var.pw)`:                      "(sensitive value)",
		`var.n`:                               "(unknown value)",
		`local.bad`:                           "(unknown value)",
		`acl.team["a"].grants[0].permissions`: `"r"`,
		`policy.p.max_hold`:                   `"1h"`,
		`"\u0007\n$${x}"`:                     `"\u0007\n$${x}"`,
		`acl.open.name`:                       `"acl.open"`,
	} {
		got, d := s.Evaluate(text)
		if got != want || d != nil {
			t.Errorf("%s: got %s, %v, want %s", text, got, d, want)
		}
	}
	for text, want := range map[string]string{
		`var.nev`:                             `Did you mean "env"?`,
		`nothing`:                             "Invalid reference",
		`1 +`:                                 "",
		`each.key`:                            "Invalid reference to each",
		`tonumber(var.pw)`:                    "sensitive",
		strings.Repeat("(", 2000):             "deep",
		`lookup({ a = var.pw }, "b").s3cr3tt`: "",
	} {
		got, d := s.Evaluate(text)
		if got != "" || !d.HasErrors() || !strings.Contains(show(t, d), want) {
			t.Errorf("%.40s: got %s, %s, want %q", text, got, show(t, d), want)
		}
	}
	if names := s.Names(); !slices.Contains(names, "var.env") || !slices.Contains(names, "acl.read_only") || !slices.Contains(names, "upper(") {
		t.Errorf("got the names %v", names)
	}
}

// FuzzWriteValue checks that a text is written so that the language reads it
// back.
func FuzzWriteValue(f *testing.F) {
	for _, s := range []string{"", "a", "\a\b\f\v\x00\x7f\u0085\u2028", `${x}%{y}\`, "ü\U0001F600", "$$${", "\\x41"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v := cty.StringVal(strings.ToValidUTF8(s, "?"))
		var b strings.Builder
		writeValue(&b, v, "")
		e, diags := hclsyntax.ParseExpression([]byte(b.String()), "x", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatalf("%q is written as %s: %v", v.AsString(), b.String(), diags)
		}
		got, diags := e.Value(nil)
		if diags.HasErrors() || got.Type() != cty.String || got.AsString() != v.AsString() {
			t.Errorf("%q is written as %s, which is %#v", v.AsString(), b.String(), got)
		}
	})
}
