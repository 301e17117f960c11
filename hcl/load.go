package hcl

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/lockform/lockform/zkfs/layout"
)

// A loader is one run of Load.
type loader struct {
	faults
	dir     string
	o       Options
	env     map[string]string
	sources map[string]*source
	syntax  map[*hcl.Diagnostic]bool // what the parsers reported
	secrets map[string]bool          // texts that no diagnostic may repeat

	partial bool // only the ensembles are wanted

	module module
	decls  map[string]*variableDecl
	given  map[string]*given

	values       map[ref]cty.Value  // what has been evaluated
	badLayout    map[hcl.Range]bool // labels of layout blocks that are no names
	unknownRefs  map[ref]bool       // faulty references, unknown from then on
	unknownRoots map[string]bool
	functions    map[string]function.Function
	root         *hcl.EvalContext
	skippedAt    *hcl.Range // the first thing left out because it is unknown

	acls      map[string]*aclValue    // by the name in their value
	policies  map[string]*policyValue // likewise
	ensembles map[string]*ensemble
	names     map[string][]string // see sharedNames

	namespaces, locks []*instance
}

func newLoader(dir string, o Options) *loader {
	if dir == "" {
		dir = "."
	}
	l := &loader{
		dir: dir, o: o, env: map[string]string{}, sources: map[string]*source{}, secrets: map[string]bool{},
		syntax: map[*hcl.Diagnostic]bool{},
		decls:  map[string]*variableDecl{}, given: map[string]*given{},
		values: map[ref]cty.Value{}, unknownRefs: map[ref]bool{}, unknownRoots: map[string]bool{}, badLayout: map[hcl.Range]bool{},
		acls: map[string]*aclValue{}, policies: map[string]*policyValue{}, ensembles: map[string]*ensemble{}, names: map[string][]string{},
	}
	l.told = map[hcl.Range]bool{}
	for _, kv := range o.Environ {
		if name, v, ok := strings.Cut(kv, "="); ok {
			l.env[name] = v
		}
	}
	l.functions = l.allFunctions()
	l.builtinACLs()
	return l
}

// Load reads the layout that the files of dir declare. Every fault is in the
// diagnostics; with errors the layout is nil. Warnings do not keep it from
// being returned. Load contacts no server; it reads the files of dir, the
// variable files, and those that TLS and the function file name.
func Load(dir string, o Options) (*layout.Layout, Diagnostics) {
	l := newLoader(dir, o)
	files, values := l.parseAll()
	if len(files) == 0 {
		return nil, l.render()
	}
	l.gather(files)
	l.variableDecls()
	l.givenValues(values)
	l.ensembleValues()
	l.evaluate(l.order(l.vertices(), nil))
	for _, name := range sortedKeys(l.module.ensembles) {
		l.references(l.module.ensembles[name].refs(), 0)
	}
	if b := l.module.layout; b != nil {
		l.references(b.refs(), 0)
	}
	for _, n := range l.module.nodes {
		l.prepare(n)
	}
	l.otherReferences()
	l.validationReferences()
	l.root = l.context(l.everything())
	l.validations(l.root)
	l.checks()
	l.readEnsembles(l.root)
	top := &scope{ctx: l.root}
	for _, n := range l.module.nodes {
		l.expand(n, top)
	}
	out := l.layout()
	if l.skippedAt != nil && l.errors == 0 && !o.Validate {
		l.errorf(*l.skippedAt, "Unknown value", "This value could not be found out, although nothing else is wrong. Please report this with the configuration.")
	}
	if l.errors > 0 {
		out = nil
	}
	return out, l.render()
}

// LoadEnsembles reads only the ensemble blocks of dir, with the variables and
// locals that they refer to, for applying a saved plan: everything else in the
// directory may be absent or wrong, as long as the files can be parsed. With
// errors the result is nil.
func LoadEnsembles(dir string, o Options) ([]layout.Ensemble, Diagnostics) {
	l := newLoader(dir, o)
	l.partial = true
	files, values := l.parseAll()
	if len(files) == 0 {
		return nil, l.render()
	}
	var g map[ref]*vertex
	l.silently(func() {
		l.gather(files)
		l.variableDecls()
		g = l.vertices()
	})
	// What has to do with the ensembles is gone through again, aloud.
	l.module.ensembles = map[string]*block{}
	for _, f := range files {
		for _, b := range l.quietContent(f.file.Body).Blocks {
			if b.Type == "ensemble" {
				l.take(l.module.ensembles, b, ensembleBody)
			}
		}
	}
	needed := []ref{}
	for _, name := range sortedKeys(l.module.ensembles) {
		needed = append(needed, l.references(l.module.ensembles[name].refs(), 0)...)
	}
	ordered := l.order(g, needed)
	for _, v := range ordered {
		switch v.ref.kind {
		case "var":
			l.decls[v.ref.name] = l.variableDecl(v.ref.name, l.module.variables[v.ref.name])
		case "local":
			l.references(l.module.locals[v.ref.name].Expr.Variables(), 0)
		}
	}
	l.givenValues(values)
	l.ensembleValues()
	l.evaluate(ordered)
	l.root = l.context(needed)
	l.readEnsembles(l.root)
	var out []layout.Ensemble
	for _, name := range sortedKeys(l.ensembles) {
		out = append(out, l.ensembles[name].Ensemble)
	}
	if l.errors > 0 {
		out = nil
	}
	return out, l.render()
}

// parseAll parses the files of the directory. Without files there is nothing
// to go on with.
func (l *loader) parseAll() (files []*source, values []string) {
	config, values := l.directory()
	for _, name := range config {
		if s := l.read(l.join(name), name, false); s != nil {
			files = append(files, s)
		}
	}
	return files, values
}

// silently runs f and forgets what it reports.
func (l *loader) silently(f func()) {
	kept := l.faults
	l.faults = faults{told: kept.told}
	f()
	l.faults = kept
}

// quietContent returns the blocks of a file and reports nothing.
func (l *loader) quietContent(body hcl.Body) (c *hcl.BodyContent) {
	l.silently(func() { c = l.contentOf(body, rootSchema) })
	return c
}

// layout assembles and checks what was declared.
func (l *loader) layout() *layout.Layout {
	out := &layout.Layout{}
	root, ledger := l.settleLayout(out)
	for _, name := range sortedKeys(l.ensembles) {
		out.Ensembles = append(out.Ensembles, l.ensembles[name].Ensemble)
	}
	l.checkPaths(root, ledger)
	l.checkRecords(out.Name)
	l.checkACLs()
	l.statements(out)
	byPlace := func(a, b *instance) int {
		if n := strings.Compare(a.Ensemble, b.Ensemble); n != 0 {
			return n
		}
		return strings.Compare(string(a.Path), string(b.Path))
	}
	slices.SortStableFunc(l.namespaces, byPlace)
	slices.SortStableFunc(l.locks, byPlace)
	for _, in := range l.namespaces {
		out.Namespaces = append(out.Namespaces, layout.Namespace{Declared: in.Declared})
	}
	if l.errors == 0 {
		out.Digest = l.digest(out)
	}
	// Of a large layout there is no room for two forms at once.
	out.Locks = make([]layout.Lock, 0, len(l.locks))
	for i, in := range l.locks {
		if in.policy.ok {
			k := layout.Lock{Declared: in.Declared, Policy: in.policy.policy}
			if in.base != nil {
				k.PolicyName = in.base.name
			}
			out.Locks = append(out.Locks, k)
		}
		l.locks[i] = nil
	}
	l.locks = nil
	return out
}
