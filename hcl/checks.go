package hcl

import "github.com/hashicorp/hcl/v2"

// checks evaluates the check blocks. What does not hold is a warning.
func (l *loader) checks() {
	for _, name := range sortedKeys(l.module.checks) {
		b := l.module.checks[name]
		if len(b.content.Blocks) == 0 {
			l.errorf(b.def, "Check without assertions", "A check has at least one assert block with a condition and an error_message.")
		}
		for _, a := range b.content.Blocks {
			c := l.content(a.Body, assertBody)
			cond, message := c.Attributes["condition"], c.Attributes["error_message"]
			if cond == nil || message == nil {
				continue
			}
			if said, ok := l.assertion(cond, message, l.root); !ok {
				d := &hcl.Diagnostic{
					Severity: hcl.DiagWarning, Summary: "Check block assertion failed", Detail: said, Subject: cond.Expr.Range().Ptr(),
				}
				if !refersToSensitive(cond.Expr, l.root) {
					d.Expression, d.EvalContext = cond.Expr, l.root
				}
				l.add(d)
			}
		}
	}
}
