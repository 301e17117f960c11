package hcl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"
)

// A bodySpec is what the body of a block may have. Bodies are read by its
// schema, and references found by its spec (hcldec.Variables), so that JSON
// needs no code of its own.
type bodySpec struct {
	spec   hcldec.ObjectSpec
	schema *hcl.BodySchema // that the spec implies, and more
}

var (
	layoutBody = newBody(attributes("required_version", "ledger", "acl", "moved_from"))

	ensembleBody = newBody(with(attributes("servers!", "chroot", "session_timeout", "connect_timeout", "tick_time"),
		nested("auth", authBody, label("scheme")), nested("tls", tlsBody)), dynamicHeader)
	authBody = newBody(attributes("username!", "password!"))
	tlsBody  = newBody(attributes("ca_file", "cert_file", "key_file", "server_name"))

	variableBody   = newBody(with(attributes("type", "description", "default", "sensitive", "nullable"), validationSpec), dynamicHeader)
	validationSpec = nested("validation", assertBody)
	assertBody     = newBody(attributes("condition!", "error_message!"))

	aclBody   = newBody(with(attributes("for_each"), nested("grant", grantBody, label("scheme"))), dynamicHeader)
	grantBody = newBody(attributes("id", "username", "password", "permissions!"))

	policyBody = newBody(attributes(append([]string{"for_each"}, policyNames...)...))

	// What is nested in a namespace without end is in its schema only.
	namespaceBody = newBody(with(attributes(nodeNames...), nested("lifecycle", lifecycleBody)),
		hcl.BlockHeaderSchema{Type: "lock", LabelNames: []string{"name"}}, hcl.BlockHeaderSchema{Type: "namespace", LabelNames: []string{"name"}})
	lockBody      = newBody(with(attributes(append(nodeNames, policyNames...)...), nested("lifecycle", lifecycleBody)))
	nodeNames     = []string{"for_each", "path", "ensemble", "acl", "policy"}
	lifecycleBody = newBody(attributes("prevent_destroy", "adopt"))

	movedBody   = newBody(attributes("from!", "to!"))
	removedBody = newBody(with(attributes("from!"), nested("lifecycle", destroyBody)))
	destroyBody = newBody(attributes("destroy!"))
	importBody  = newBody(attributes("to!", "path!"))
	checkBody   = newBody(nested("assert", assertBody))
)

// rootSchema is that of a file.
var rootSchema = sorted(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "layout", LabelNames: []string{"name"}},
	{Type: "ensemble", LabelNames: []string{"name"}},
	{Type: "variable", LabelNames: []string{"name"}},
	{Type: "locals"},
	{Type: "acl", LabelNames: []string{"name"}},
	{Type: "policy", LabelNames: []string{"name"}},
	{Type: "namespace", LabelNames: []string{"name"}},
	{Type: "lock", LabelNames: []string{"name"}},
	{Type: "moved"},
	{Type: "removed"},
	{Type: "import"},
	{Type: "check", LabelNames: []string{"name"}},
}})

func newBody(spec hcldec.ObjectSpec, more ...hcl.BlockHeaderSchema) *bodySpec {
	schema := hcldec.ImpliedSchema(spec)
	schema.Blocks = append(schema.Blocks, more...)
	return &bodySpec{spec, sorted(schema)}
}

// sorted puts a schema into a fixed order, since the first name that is near
// to an unknown one is suggested.
func sorted(s *hcl.BodySchema) *hcl.BodySchema {
	slices.SortFunc(s.Attributes, func(a, b hcl.AttributeSchema) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Blocks, func(a, b hcl.BlockHeaderSchema) int { return strings.Compare(a.Type, b.Type) })
	return s
}

// attributes returns a spec with one attribute for each name; one that ends in
// "!" is required.
func attributes(names ...string) hcldec.ObjectSpec {
	spec := hcldec.ObjectSpec{}
	for _, n := range names {
		name, required := strings.CutSuffix(n, "!")
		spec[name] = &hcldec.AttrSpec{Name: name, Type: cty.DynamicPseudoType, Required: required}
	}
	return spec
}

// nested returns a spec with any number of blocks of one type.
func nested(name string, body *bodySpec, more ...hcldec.ObjectSpec) hcldec.ObjectSpec {
	inner := with(append(more, body.spec)...)
	return hcldec.ObjectSpec{name: &hcldec.BlockTupleSpec{TypeName: name, Nested: inner}}
}

func label(name string) hcldec.ObjectSpec {
	return hcldec.ObjectSpec{"": &hcldec.BlockLabelSpec{Index: 0, Name: name}}
}

func with(specs ...hcldec.ObjectSpec) hcldec.ObjectSpec {
	all := hcldec.ObjectSpec{}
	for _, spec := range specs {
		for name, s := range spec {
			all[name] = s
		}
	}
	return all
}

// content reads a body by its spec. What it has and should not have is an
// error each; the rest is returned.
func (l *loader) content(body hcl.Body, spec *bodySpec) *hcl.BodyContent {
	return l.contentOf(body, spec.schema)
}

// contentOf is content for a schema.
func (l *loader) contentOf(body hcl.Body, schema *hcl.BodySchema) *hcl.BodyContent {
	content, diags := body.Content(schema)
	for _, d := range diags {
		l.add(l.explain(d, schema))
	}
	if content == nil {
		content = &hcl.BodyContent{Attributes: hcl.Attributes{}, MissingItemRange: body.MissingItemRange()}
	}
	return content
}

// foreign are words that a Terraform user may try.
var foreign = map[string]string{
	"count":     "Write for_each with a map or a set of strings, such as for_each = toset([for i in range(4) : tostring(i)]).",
	"module":    "One directory holds one layout: declare the blocks here, and use for_each for repetition.",
	"dynamic":   "A dynamic block makes grant, auth and validation blocks only. Write for_each in the block itself.",
	"terraform": `Its required_version stands in the layout block: layout "name" { required_version = ">= 0.1" }.`,
	"provider":  "Servers and credentials stand in an ensemble block.",
	"resource":  "Declare namespace and lock blocks.",
	"data":      "Nothing is read from ZooKeeper at plan time; write the value as a variable or a local.",
	"output":    `A layout has no outputs; "lockform show -json" prints what it declares.`,
}

// explain completes what the HCL library says about an unexpected name: what
// is reserved, or what could stand there.
func (l *loader) explain(d *hcl.Diagnostic, schema *hcl.BodySchema) *hcl.Diagnostic {
	if d.Subject == nil || d.Summary != "Unsupported argument" && d.Summary != "Unsupported block type" && d.Summary != "Extraneous JSON object property" {
		return d
	}
	c := *d
	name := strings.Trim(string(l.text(*d.Subject)), `"`)
	hint, reserved := foreign[name]
	switch {
	case reserved && name == "count":
		c.Summary = "count is not supported, use for_each"
		c.Detail = "The word is reserved. " + hint
	case reserved && name == "module":
		c.Summary = "module is not supported, use for_each"
		c.Detail = "The word is reserved. " + hint
	case reserved:
		c.Summary = fmt.Sprintf("%s is not supported", name)
		c.Detail = hint
	case !strings.Contains(d.Detail, "Did you mean"):
		var attrs, blocks []string
		for _, a := range schema.Attributes {
			attrs = append(attrs, a.Name)
		}
		for _, b := range schema.Blocks {
			blocks = append(blocks, b.Type)
		}
		c.Detail += expected("argument", attrs) + expected("block", blocks)
	}
	return &c
}

// expected says what could stand somewhere.
func expected(what string, names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(" The only %s here is %s.", what, names[0])
	}
	return fmt.Sprintf(" The %ss here are %s.", what, enumerate(names, "and"))
}

// text returns the source of a range.
func (l *loader) text(r hcl.Range) []byte {
	s := l.sources[r.Filename]
	if s == nil || !r.CanSliceBytes(s.file.Bytes) {
		return nil
	}
	return r.SliceBytes(s.file.Bytes)
}
