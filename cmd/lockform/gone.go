package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/lockform/lockform/hcl"
	"github.com/lockform/lockform/zkfs/layout"
)

// takeGone takes the -ensemble flags that name no declared ensemble out of the
// overrides: they name ensembles that have gone from the configuration and are
// to be emptied. One without LOCKFORM_AUTH is authenticated as the first
// declared one is.
func (f *planFlags) takeGone(ctx context.Context, a *app) error {
	if !slices.ContainsFunc(f.override, func(o hcl.Override) bool { return o.Name != "" }) {
		return nil
	}
	o := a.options(ctx, &f.layoutFlags)
	o.Ensembles = nil
	declared, diags := hcl.LoadEnsembles(".", o)
	if diags.HasErrors() {
		return nil // loading the layout will say so
	}
	var kept []hcl.Override
	for _, o := range f.override {
		if o.Name == "" || slices.ContainsFunc(declared, func(e layout.Ensemble) bool { return e.Name == o.Name }) {
			kept = append(kept, o)
			continue
		}
		e, err := hcl.Undeclared(o, os.Environ())
		if err != nil {
			return &fault{summary: err.Error()}
		}
		if len(e.Auth) == 0 && len(declared) > 0 {
			e.Auth, e.TLS, e.Identities = declared[0].Auth, declared[0].TLS, declared[0].Identities
		}
		f.gone = append(f.gone, e)
		f.options.Forget = append(f.options.Forget, e.Name)
	}
	f.override = kept
	return nil
}

// goneName returns the name of an ensemble in "ensemble.NAME", with which
// "state rm" forgets one that cannot be reached any more.
func goneName(arg string) (string, bool) {
	name, ok := strings.CutPrefix(arg, "ensemble.")
	return name, ok && name != ""
}
