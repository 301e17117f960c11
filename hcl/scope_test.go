package hcl

import (
	"strings"
	"testing"
)

var scopeFiles = map[string]string{"a.hcl": `
layout "platform" {}
variable "env" { default = "prod" }
variable "password" {
  default   = "hunter2-hunter2"
  sensitive = true
}
locals {
  teams   = toset(["billing", "search"])
  mixed   = { name = "x", "a b" = [1, true, null], secret = var.password }
  numbers = tolist([1, 2.5])
  text    = "a\n$${b} \"c\""
}
acl "team" {
  for_each = local.teams
  grant "digest" {
    username    = each.key
    password    = var.password
    permissions = ["read"]
  }
}
policy "nightly" { wait_timeout = "2m" }
namespace "broken" { path = "a path without a slash does not matter here" }
`}

func loadScope(t *testing.T) *Scope {
	t.Helper()
	s, d := LoadScope(directory(t, scopeFiles), Options{})
	if s == nil {
		t.Fatalf("got errors:\n%s", show(t, d))
	}
	return s
}

func TestEval(t *testing.T) {
	s := loadScope(t)
	for expression, want := range map[string]string{
		`1 + 1`:                             `2`,
		`var.env`:                           `"prod"`,
		`var.env == "prod" ? "yes" : "no"`:  `"yes"`,
		`local.text`:                        `"a\n$${b} \"c\""`,
		`local.teams`:                       "toset([\n  \"billing\",\n  \"search\",\n])",
		`local.numbers`:                     "tolist([\n  1,\n  2.5,\n])",
		`[]`:                                `[]`,
		`{}`:                                `{}`,
		`null`:                              `null`,
		`[for t in local.teams : upper(t)]`: "[\n  \"BILLING\",\n  \"SEARCH\",\n]",
		`local.mixed`:                       "{\n  \"a b\" = [\n    1,\n    true,\n    null,\n  ]\n  name = \"x\"\n  secret = (sensitive value)\n}",
		`var.password`:                      `(sensitive value)`,
		`"x${var.password}"`:                `(sensitive value)`,
		`length(var.password) > 4`:          `(sensitive value)`,
		`{ a = sensitive("x") }`:            "{\n  a = (sensitive value)\n}",
		`policy.nightly.wait_timeout`:       `"2m"`,
		`acl.read_only.grants[0].id`:        `"anyone"`,
		`keys(acl.team)`:                    "tolist([\n  \"billing\",\n  \"search\",\n])",
		`ensemble.default.name`:             `"default"`,
		`tomap({ a = 1 })`:                  "tomap({\n  \"a\" = 1\n})",
	} {
		t.Run(expression, func(t *testing.T) {
			got, d := s.Eval(expression)
			if d != nil {
				t.Fatalf("got diagnostics:\n%s", show(t, d))
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestEvalReportsFaults(t *testing.T) {
	s := loadScope(t)
	for expression, want := range map[string]string{
		`1 +`:                      "<console> line 1",
		`var.evn`:                  `Did you mean "env"?`,
		`each.key`:                 "Only a block with for_each",
		`upper(`:                   "<console> line 1",
		`uper("x")`:                `Did you mean "upper"?`,
		`nothing`:                  `There is nothing with the name "nothing"`,
		`local.numbers[7]`:         "<console> line 1",
		`1 2`:                      "<console> line 1",
		``:                         "<console> line 1",
		`tonumber(var.password)`:   "Error",
		`regex("x", var.env)`:      "Error",
		"var.env\x00":              "Error",
		`file("nowhere")`:          "does not exist",
		`var`:                      `"var" alone is not a value`,
		`parseint(var.password)`:   "Error",
		`local.mixed.secret + 1`:   "Error",
		`jsondecode(var.password)`: "Error",
	} {
		t.Run(expression, func(t *testing.T) {
			got, d := s.Eval(expression)
			if got != "" || !d.HasErrors() {
				t.Fatalf("got %q and no error", got)
			}
			text := show(t, d)
			if !strings.Contains(text, want) {
				t.Errorf("%q is missing in\n%s", want, text)
			}
			if strings.Contains(text, "hunter2") {
				t.Errorf("a secret is shown:\n%s", text)
			}
		})
	}
	// What one expression says leaves no trace in the next.
	if got, d := s.Eval(`var.env`); got != `"prod"` || d != nil {
		t.Errorf("got %s and\n%s", got, show(t, d))
	}
}

func TestLoadScopeReportsFaults(t *testing.T) {
	s, d := LoadScope(directory(t, map[string]string{"a.hcl": "locals {\n  a = local.b\n  b = local.a\n}\nvariable \"x\" {}\n"}), Options{})
	if s != nil || !strings.Contains(show(t, d), "Reference cycle") || !strings.Contains(show(t, d), `Variable "x"`) {
		t.Errorf("got %v and\n%s", s, show(t, d))
	}
}

func TestNamesOfAScope(t *testing.T) {
	all := strings.Join(loadScope(t).Names(), " ")
	for _, want := range []string{"var.env", "local.teams", "acl.open", "acl.team", "policy.nightly", "ensemble.default", "upper("} {
		if !strings.Contains(" "+all+" ", " "+want+" ") {
			t.Errorf("%s is missing", want)
		}
	}
}

// FuzzEval feeds what people may type. Whatever it is, no secret is shown.
func FuzzEval(f *testing.F) {
	for _, e := range []string{`var.password`, `local.mixed`, `[for k, v in local.mixed : v]`, `"${var.password}"`, `(`, "\"${", `acl.team["billing"]`} {
		f.Add(e)
	}
	dir := directory(f, scopeFiles)
	f.Fuzz(func(t *testing.T, expression string) {
		if strings.Contains(expression, "nonsensitive") || strings.Contains(expression, "hunter2") || len(expression) > 200 {
			return
		}
		s, _ := LoadScope(dir, Options{})
		got, d := s.Eval(expression)
		if (got == "") != d.HasErrors() {
			t.Fatalf("got %q and errors: %v", got, d.HasErrors())
		}
		if strings.Contains(got, "hunter2") || strings.Contains(show(t, d), "hunter2") {
			t.Fatalf("a secret is shown: %s\n%s", got, show(t, d))
		}
	})
}
