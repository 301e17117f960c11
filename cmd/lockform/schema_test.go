package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaVerb checks documents against a schema of docs/schema:
//
//	schema NAME FILE…           each file is one document
//	schema -lines NAME FILE…    each line of each file is one
func schemaVerb(ts *testscript.TestScript, neg bool, args []string) {
	lines := len(args) > 0 && args[0] == "-lines"
	if lines {
		args = args[1:]
	}
	if len(args) < 2 {
		ts.Fatalf("usage: [!] schema [-lines] NAME FILE…")
	}
	schema, err := compileSchema(filepath.Join(ts.Getenv("SCHEMAS"), args[0]+".schema.json"))
	ts.Check(err)
	for _, file := range args[1:] {
		docs := []string{ts.ReadFile(file)}
		if lines {
			docs = strings.Split(strings.TrimSuffix(docs[0], "\n"), "\n")
		}
		for _, doc := range docs {
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
			ts.Check(err)
			switch err := schema.Validate(value); {
			case err != nil && !neg:
				ts.Fatalf("%v:\n%s", err, doc)
			case err == nil && neg:
				ts.Fatalf("it fits the schema %s:\n%s", args[0], doc)
			}
		}
	}
}

// compileSchema reads a schema, with "format" as something to check.
func compileSchema(file string) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	return c.Compile(file)
}

// TestSchemas compiles each schema against that of its draft.
func TestSchemas(t *testing.T) {
	files, err := filepath.Glob("../../docs/schema/*.schema.json")
	if err != nil || len(files) < 8 {
		t.Fatalf("got %d schemas (%v), want at least 8", len(files), err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			s, err := compileSchema(f)
			if err != nil {
				t.Fatal(err)
			}
			if s.DraftVersion != 2020 || s.Title == "" {
				t.Errorf("got draft %d and title %q", s.DraftVersion, s.Title)
			}
			if filepath.Base(f) == "common.schema.json" {
				return
			}
			for _, doc := range []string{"{}", "[]", `{"type":"version","else":1}`} {
				value, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(doc)))
				if err != nil {
					t.Fatal(err)
				}
				if s.Validate(value) == nil {
					t.Errorf("%s fits", doc)
				}
			}
		})
	}
}
