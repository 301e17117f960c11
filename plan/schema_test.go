package plan

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// schemas are those of docs/schema, with "format" as something to check.
type schemas struct{ stream, show, file, tree *jsonschema.Schema }

func loadSchemas(t testing.TB) schemas {
	t.Helper()
	load := func(name string) *jsonschema.Schema {
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		s, err := c.Compile("../docs/schema/" + name + ".schema.json")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return schemas{load("plan-stream"), load("plan"), load("plan-file"), load("tree")}
}

func fits(t fataler, s *jsonschema.Schema, doc []byte) {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err == nil {
		err = s.Validate(value)
	}
	if err != nil {
		t.Fatalf("%v:\n%s", err, doc)
	}
}

// plan checks every form of a plan.
func (s *schemas) plan(t fataler, p *Plan) {
	doc, err := p.JSON()
	if err != nil {
		t.Fatalf("%v", err)
	}
	fits(t, s.show, doc)
	file, err := p.Encode()
	if err != nil {
		t.Fatalf("%v", err)
	}
	fits(t, s.file, file)
}

func (s *schemas) lines(t fataler, text []byte) {
	for line := range bytes.Lines(text) {
		fits(t, s.stream, line)
	}
}

func TestEverythingFitsItsSchema(t *testing.T) {
	s := loadSchemas(t)
	p, tree := everything(t)
	s.plan(t, p)
	ledger, err := ReadLedger(t.Context(), tree.session(planner), "/lockform/test")
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := List(t.Context(), tree.session(planner), ledger, true)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := ManagedJSON([]Tree{{"main", ledger, nodes}, {"other", Ledger{Path: "/lockform/test"}, nil}})
	if err != nil {
		t.Fatal(err)
	}
	fits(t, s.tree, doc)
}

// TestSchemaIsStrict takes each field away and puts others in: a schema that
// anything fits proves nothing.
func TestSchemaIsStrict(t *testing.T) {
	s := loadSchemas(t)
	p, _ := everything(t)
	doc, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(doc, &fields); err != nil {
		t.Fatal(err)
	}
	optional := map[string]bool{"config": true, "mode": true, "created": true}
	for name, value := range fields {
		delete(fields, name)
		if err := s.show.Validate(fields); (err == nil) != optional[name] {
			t.Errorf("without %s: got %v", name, err)
		}
		fields[name] = map[string]any{"strange": true}
		if s.show.Validate(fields) == nil {
			t.Errorf("%s may be anything", name)
		}
		fields[name] = value
	}
	fields["strange"] = true
	if s.show.Validate(fields) == nil {
		t.Error("a field that is not described fits")
	}
}

// TestPropertyPlansFitTheirSchemas draws layouts and live trees, plans and
// applies them, and checks every document on the way, those of failures too.
func TestPropertyPlansFitTheirSchemas(t *testing.T) {
	s := loadSchemas(t)
	rapid.Check(t, func(t *rapid.T) {
		tree := newTree()
		target := tree.session(planner)
		drawStrangers(t, tree, "before")
		for range 2 {
			l := drawLayout(t, "layout")
			l.Ledger = "/lockform/test"
			o := drawOptions(t)
			if rapid.IntRange(0, 4).Draw(t, "refresh only") == 0 {
				o.Mode = RefreshOnly
			}
			var b bytes.Buffer
			stream := Stream{W: &b}
			stream.Version("1.2.3")
			p, err := tryPlan(target, l, o)
			if err == nil {
				s.plan(t, p)
				stream.Plan(p)
				drawStrangers(t, tree, "meanwhile")
				if err = tryApply(target, p, ApplyOptions{Observe: stream.Observe}); err == nil {
					stream.Applied(p)
				}
			}
			stream.Failed(err)
			s.lines(t, b.Bytes())
			if stream.Err != nil {
				t.Fatal(stream.Err)
			}
			drawStrangers(t, tree, "between")
		}
	})
}
