package hcl

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/lockform/lockform/zkfs/layout"
)

// digest returns the digest of what is declared and of the values of the
// variables. Secrets are no part of it: a changed password is the same layout.
// Nor are -servers and LOCKFORM_SERVERS, another way to the same place: a run
// that was cut off can be finished through another server.
func (l *loader) digest(out *layout.Layout) string {
	h := sha256.New()
	line := func(fields ...any) {
		// Lengths keep the fields apart whatever they hold.
		for _, f := range fields {
			s := fmt.Sprint(f)
			fmt.Fprintf(h, "%d:%s,", len(s), s)
		}
		fmt.Fprintln(h)
	}
	line("layout", out.Name, out.Ledger, out.MovedFrom, out.ACL != nil, out.ACL)
	for _, e := range out.Ensembles {
		line("ensemble", e.Name, l.ensembles[e.Name].declared)
	}
	l.digestVariables(line)
	acls := map[*aclValue]string{}
	node := func(in *instance) {
		text, ok := acls[in.acl.acl]
		if !ok && in.acl.acl != nil {
			text = in.acl.acl.entries.String()
			acls[in.acl.acl] = text
		}
		line(in.node.kind, string(in.Address), string(in.Path), in.Ensemble, text, in.Protected, in.Adopt)
	}
	for _, in := range l.namespaces {
		node(in)
	}
	for _, in := range l.locks {
		node(in)
		text := in.policy.text
		if text == "" && in.policy.ok {
			text = attributesOf(in.policy.policy)
		}
		line(text)
	}
	for _, m := range out.Moved {
		line("moved", string(m.From), string(m.To))
	}
	for _, r := range out.Removed {
		line("removed", string(r.From), r.Destroy)
	}
	for _, i := range out.Imports {
		line("import", string(i.To), string(i.Path), i.Ensemble)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func (l *loader) digestVariables(line func(...any)) {
	for _, name := range sortedKeys(l.module.variables) {
		v := l.values[ref{"var", name}]
		if v == cty.NilVal || v.ContainsMarked() || !v.IsWhollyKnown() {
			continue
		}
		data, err := ctyjson.Marshal(v, v.Type())
		if err != nil {
			continue
		}
		line("variable", name, string(data))
	}
}
