package hcl

import (
	"strings"
	"testing"
)

// TestSecretsAppearNowhere loads layouts full of secrets, right and wrong, and
// looks for them in all that can be printed.
func TestSecretsAppearNowhere(t *testing.T) {
	texts := map[string]map[string]string{
		"InAuth":          {"a.hcl": "ensemble \"m\" {\n  servers = [\"a:1\"]\n  auth \"digest\" {\n    username = \"u\"\n    password = \"s3cr3t\"\n    pasword  = \"s3cr3t\"\n  }\n}"},
		"InAuthOneLine":   {"a.hcl": "ensemble \"m\" {\n  auth \"digest\" { password = \"s3cr3t\" }\n}"},
		"InAHeredoc":      {"a.hcl": "ensemble \"m\" {\n  auth \"digest\" {\n    username = 5 + [\n    password = <<EOT\ns3cr3t\nmore s3cr3t\nEOT\n  }\n}"},
		"InATemplate":     {"a.hcl": "acl \"a\" {\n  grant \"digest\" {\n    username = \"u\"\n    password = \"s3cr3t${nothing}s3cr3t\"\n    permissions = [\"all\"]\n  }\n}"},
		"InAComment":      {"a.hcl": "acl \"a\" {\n  grant \"digest\" {\n    username = nothing # s3cr3t\n    permissions = [\"all\"]\n  }\n}"},
		"InANumber":       {"a.hcl": "variable \"pw\" {\n  type = list(string)\n  sensitive = true\n  default = 5\n}"},
		"InAVariable":     {"a.hcl": "variable \"pw\" {\n  sensitive = true\n  default = \"s3cr3t\"\n  default2 = \"s3cr3t\"\n}\nlock \"a\" { path = var.pw }"},
		"InAMap":          {"a.hcl": "variable \"pw\" {\n  sensitive = true\n  default = { a = \"s3cr3t\" }\n}\nlocals { x = var.pw.b, y = var.pw[\"c\"] }\nlock \"a\" { path = var.pw[\"a\"] }"},
		"InAnInterim":     {"a.hcl": "variable \"pw\" {\n  sensitive = true\n  default = \"s3cr3t\"\n}\nlocals { x = \"a-${var.pw}\" }\nlock \"a\" {\n  path = \"/a\"\n  mode = local.x\n  max_hold = local.x + 1\n}"},
		"InACondition":    {"a.hcl": "variable \"pw\" {\n  sensitive = true\n  default = \"s3cr3t\"\n}\nlocals { x = var.pw ? 1 : 2 }"},
		"InAFor":          {"a.hcl": "variable \"pw\" {\n  sensitive = true\n  default = [\"s3cr3t\"]\n}\nlocals { x = { for p in var.pw : p => p.q } }\nacl \"a\" {\n  for_each = { for p in var.pw : p => 1 }\n}"},
		"InFunctions":     {"a.hcl": "variable \"pw\" {\n  sensitive = true\n  default = \"s3cr3t\"\n}\nlocals {\n  a = cidrhost(var.pw, 1)\n  b = base64decode(var.pw)\n  c = file(var.pw)\n  d = env(var.pw)\n  e = yamldecode(\"{${var.pw}\")\n  f = timecmp(var.pw, var.pw)\n  g = csvdecode(var.pw)\n  h = lookup({}, var.pw)\n  i = regex(var.pw, \"a\")\n  j = format(\"%d\", var.pw)\n  k = tobool(var.pw)\n  l = zkdigest(var.pw, \"\")\n  m = element([], var.pw)\n}"},
		"InJSON":          {"a.hcl.json": `{"ensemble": {"m": {"auth": {"digest": {"password": "s3cr3t", "x": "s3cr3t"}}}}}`},
		"InBrokenJSON":    {"a.hcl.json": `{"ensemble": {"m": {"auth": {"digest": {"password": "s3cr3t", x: "s3cr3t"`},
		"InVariableFile":  {"a.hcl": "variable \"pw\" { type = number }", "lockform.vars.hcl": "pw = \"s3cr3t\"\nother = s3cr3t\n"},
		"InBrokenFile":    {"a.hcl": "variable \"pw\" { type = number }", "lockform.vars.hcl": "pw = \"s3cr3t\nother = { s3cr3t = \"s3cr3t\" s3cr3t }\n"},
		"InJSONFile":      {"a.hcl": "variable \"pw\" { sensitive = true }", "lockform.vars.json": `{"pw": "${s3cr3t}", "pw2": s3cr3t}`},
		"InADynamicBlock": {"a.hcl": "acl \"a\" {\n  dynamic \"grant\" {\n    for_each = [1]\n    content { password = \"s3cr3t\" }\n  }\n}"},
	}
	for name, files := range texts {
		t.Run(name, func(t *testing.T) {
			for _, o := range []Options{{}, {Validate: true}, {Vars: []Assignment{{Name: "pw", Value: "s3cr3t"}, {Name: "gone", Value: "s3cr3t"}}}} {
				dir := directory(t, files)
				_, d := Load(dir, o)
				if !d.HasErrors() {
					t.Errorf("got no errors")
				}
				_, d2 := LoadEnsembles(dir, o)
				if out := show(t, d) + show(t, d2); strings.Contains(out, secretText) {
					t.Errorf("a secret is shown:\n%s", out)
				}
			}
		})
	}
}
