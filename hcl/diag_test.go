package hcl

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// some are diagnostics of each sort: with values, with several lines, without
// a place, and a warning.
func some() Diagnostics {
	context := `lock "a"`
	return Diagnostics{
		{Severity: Error, Summary: "No layout", Detail: "Write one."},
		{
			Severity: Error, Summary: "Invalid znode path", Detail: "The path is relative. Begin it with a slash, and do it now.\n  layout \"x\" { these words are never wrapped at any width }",
			Range: &Range{"a.hcl", Position{2, 10, 20}, Position{2, 21, 31}},
			Snippet: &Snippet{
				Context: &context, Code: `  path = "${each.key}"`, StartLine: 2, HighlightStartOffset: 9, HighlightEndOffset: 22,
				Values: []ExpressionValue{{"each.key", `is "x"`}},
			},
		},
		{
			Severity: Warning, Summary: "Two lines", Detail: "Careful.",
			Range:   &Range{"b.hcl", Position{7, 1, 0}, Position{8, 2, 9}},
			Snippet: &Snippet{Code: "lock \"b\" {\n}", StartLine: 7, HighlightEndOffset: 12},
		},
		{Severity: Error, Summary: "Elsewhere", Detail: "Gone.", Range: &Range{Filename: "c.hcl", Start: Position{Line: 3}}},
	}
}

// TestWriteTextPlain checks the text without colour.
func TestWriteTextPlain(t *testing.T) {
	const want = `
Error: No layout

Write one.

Error: Invalid znode path

  on a.hcl line 2, in lock "a":
   2:   path = "${each.key}"
    ├────────────────
    │ each.key is "x"

The path is relative. Begin it with
a slash, and do it now.
  layout "x" { these words are never wrapped at any width }

Warning: Two lines

  on b.hcl line 7:
   7: lock "b" {
   8: }

Careful.

Error: Elsewhere

  on c.hcl line 3:
  (source code not available)

Gone.
`
	var b bytes.Buffer
	if err := some().WriteText(&b, 36, false); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestWriteTextInColor checks the frame and the marks, with the escape
// sequences as words.
func TestWriteTextInColor(t *testing.T) {
	const want = `<red>╷<0>
<red>│<0> <bold><red>Error: <0><bold>Invalid znode path<0>
<red>│<0> 
<red>│<0>   on a.hcl line 2, in lock "a":
<red>│<0>    2:   path = <under>"${each.key}"<0>
<red>│<0>     ├────────────────
<red>│<0>     │ each.key is "x"
<red>│<0> 
<red>│<0> The path is relative. Begin it with
<red>│<0> a slash, and do it now.
<red>│<0>   layout "x" { these words are never wrapped at any width }
<red>╵<0>
<yellow>╷<0>
<yellow>│<0> <bold><yellow>Warning: <0><bold>Two lines<0>
<yellow>│<0> 
<yellow>│<0>   on b.hcl line 7:
<yellow>│<0>    7: <under>lock "b" {<0>
<yellow>│<0>    8: <under>}<0>
<yellow>│<0> 
<yellow>│<0> Careful.
<yellow>╵<0>
`
	var b bytes.Buffer
	if err := some()[1:3].WriteText(&b, 38, true); err != nil {
		t.Fatal(err)
	}
	got := strings.NewReplacer(red, "<red>", yellow, "<yellow>", bold, "<bold>", underline, "<under>", plain, "<0>").Replace(b.String())
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// TestWriteTextReportsErrors checks that a writer's error comes back.
func TestWriteTextReportsErrors(t *testing.T) {
	if err := some().WriteText(fullDisk{}, 0, false); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v, want the writer's error", err)
	}
}

// TestRedactKeepsOffsets checks that offsets still point at what they did.
func TestRedactKeepsOffsets(t *testing.T) {
	src := []byte(`a = "secret" # b` + "\n" + `c = "s" + d` + "\n")
	text, at := redact(src, span{0, len(src)}, []span{{5, 11}, {22, 23}})
	if want := `a = "…" # b` + "\n" + `c = "…" + d` + "\n"; text != want {
		t.Fatalf("got %q, want %q", text, want)
	}
	for i, c := range src {
		if i >= 5 && i < 11 || i == 22 {
			continue
		}
		if got := text[at(i)]; got != c {
			t.Errorf("offset %d is %q, and %q after redaction", i, c, got)
		}
	}
}
