package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// ReadFile reads a configuration file: attributes with the names of the flags,
// in HCL or, when the name ends in ".json", in JSON. Dashes may be written as
// underscores. The files that it names are relative to its directory.
func ReadFile(name string) (Connection, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return Connection{}, fmt.Errorf("-config: %w", err)
	}
	c, err := parseFile(data, name)
	if err != nil {
		return Connection{}, fmt.Errorf("-config: %w", err)
	}
	c.relative(filepath.Dir(name))
	return c, nil
}

func parseFile(data []byte, name string) (Connection, error) {
	parse := hclparse.NewParser().ParseHCL
	if filepath.Ext(name) == ".json" {
		parse = hclparse.NewParser().ParseJSON
	}
	file, diags := parse(data, name)
	if diags.HasErrors() {
		return Connection{}, faults(diags)
	}
	attrs, diags := file.Body.JustAttributes()
	if diags.HasErrors() {
		return Connection{}, faults(diags)
	}
	var c Connection
	lists := map[string]*string{"servers": &c.Servers}
	words := map[string]*string{
		"tls-ca": &c.TLSCA, "tls-cert": &c.TLSCert, "tls-key": &c.TLSKey, "tls-server-name": &c.TLSServerName,
		"session-timeout": &c.SessionTimeout,
	}
	for _, attr := range attrs {
		key := strings.ReplaceAll(attr.Name, "_", "-")
		values, err := stringsOf(attr)
		if err != nil {
			return Connection{}, err
		}
		switch {
		case key == "auth":
			c.Auth = values
		case lists[key] != nil:
			*lists[key] = strings.Join(values, ",")
		case words[key] != nil && len(values) <= 1:
			*words[key] = strings.Join(values, "")
		case words[key] != nil:
			return Connection{}, fmt.Errorf("%s: %q is one string", attr.Range, attr.Name)
		default:
			return Connection{}, fmt.Errorf("%s: there is no setting %q; there are servers, auth, tls-ca, tls-cert, tls-key, tls-server-name and session-timeout", attr.Range, attr.Name)
		}
	}
	return c, nil
}

// stringsOf returns the value of an attribute, a string or a list of strings.
// The errors do not show it: it may be a secret.
func stringsOf(attr *hcl.Attribute) ([]string, error) {
	bad := fmt.Errorf("%s: %q must be a string, or a list of strings", attr.Range, attr.Name)
	value, diags := attr.Expr.Value(nil)
	if diags.HasErrors() {
		return nil, bad
	}
	if value.IsNull() {
		return nil, nil
	}
	if s, err := convert.Convert(value, cty.String); err == nil {
		return []string{s.AsString()}, nil
	}
	list, err := convert.Convert(value, cty.List(cty.String))
	if err != nil || list.IsNull() {
		return nil, bad
	}
	var all []string
	for _, v := range list.AsValueSlice() {
		if v.IsNull() {
			return nil, bad
		}
		all = append(all, v.AsString())
	}
	return all, nil
}

// faults makes one error of diagnostics, without the snippets that could show
// a secret.
func faults(diags hcl.Diagnostics) error {
	var all []error
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			all = append(all, fmt.Errorf("%s: %s; %s", d.Subject, d.Summary, strings.TrimSuffix(d.Detail, ".")))
		}
	}
	return errors.Join(all...)
}
