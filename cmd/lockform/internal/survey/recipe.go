package survey

import (
	"slices"

	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
)

// recognise returns the policy under which agents and the clients of these
// contenders exclude each other, and false when there is none. Of several that
// do, the first is the one that asks least of others.
func recognise(names []string) (layout.Policy, bool) {
	var contenders []recipe.Contender
	shared := false
	for _, n := range names {
		if c, ok := recipe.Parse(n); ok {
			contenders = append(contenders, c)
			shared = shared || c.Shared
		}
	}
	if len(contenders) == 0 {
		return layout.Policy{}, false
	}
	for _, p := range candidates(contenders) {
		if p.Mode != layout.ReadWrite && shared {
			continue
		}
		r, err := recipe.New(string(p.Recipe), string(p.Mode), p.Prefix)
		if err == nil && !slices.ContainsFunc(contenders, func(c recipe.Contender) bool { return r.Blind(c, false) }) {
			return p, true
		}
	}
	return layout.Policy{}, false
}

// candidates lists the policies to try. Names that are all alike and hold no
// GUID are those of a script, which may sort them as whole texts: only the same
// prefix is safe beside it.
func candidates(contenders []recipe.Contender) []layout.Policy {
	policy := func(r layout.Recipe, m layout.Mode, prefix string) layout.Policy {
		p := layout.DefaultPolicy()
		p.Recipe, p.Mode, p.Prefix = r, m, prefix
		return p
	}
	alike := true
	for _, c := range contenders {
		alike = alike && c.GUID() == "" && !c.Shared && c.Prefix() != "" && c.Prefix() == contenders[0].Prefix() &&
			c.Client != recipe.WriteLock && c.Client != recipe.Document
	}
	if alike {
		return []layout.Policy{policy(layout.Plain, layout.Exclusive, contenders[0].Prefix())}
	}
	return []layout.Policy{
		policy(layout.Curator, layout.Exclusive, ""), policy(layout.Curator, layout.ReadWrite, ""),
		policy(layout.Kazoo, layout.Exclusive, ""), policy(layout.Kazoo, layout.ReadWrite, ""),
		policy(layout.Bridge, layout.Exclusive, ""), policy(layout.Bridge, layout.ReadWrite, ""),
	}
}
