package picture

import (
	"fmt"
	"io"
	"strings"

	"github.com/lockform/lockform/zkfs/layout"
)

// DOT writes the layout in the language of Graphviz.
func DOT(w io.Writer, l *layout.Layout) error {
	g := draw(l)
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  rankdir = LR;\n  node [shape = box, fontname = \"sans-serif\"];\n", dotText(g.layout))
	shapes := map[string]string{"namespace": "folder", "lock": "box", "acl": "note", "policy": "component"}
	box := func(indent string, n node) {
		fmt.Fprintf(&b, "%s%s [shape = %s, label = %s];\n", indent, n.name, shapes[n.kind], dotText(n.lines...))
	}
	for _, e := range g.groups {
		fmt.Fprintf(&b, "  subgraph cluster_%s {\n    label = %s;\n", e.name, dotText(e.lines...))
		for _, n := range e.nodes {
			box("    ", n)
		}
		b.WriteString("  }\n")
	}
	for _, n := range g.shared {
		box("  ", n)
	}
	styles := map[string]string{"inside": "", "acl": " [style = dashed]", "policy": " [style = dotted]"}
	for _, e := range g.edges {
		fmt.Fprintf(&b, "  %s -> %s%s;\n", e.from, e.to, styles[e.kind])
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// dotText quotes lines as one label. Graphviz reads "\n" in it as a new line,
// and any other backslash with what follows as an escape.
func dotText(lines ...string) string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ")
	var escaped []string
	for _, l := range lines {
		escaped = append(escaped, escape.Replace(l))
	}
	return `"` + strings.Join(escaped, `\n`) + `"`
}

// Mermaid writes the layout in the language that Markdown pages of GitHub and
// GitLab draw.
func Mermaid(w io.Writer, l *layout.Layout) error {
	g := draw(l)
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	shapes := map[string][2]string{"namespace": {"[", "]"}, "lock": {"(", ")"}, "acl": {"{{", "}}"}, "policy": {"[/", "/]"}}
	box := func(indent string, n node) {
		s := shapes[n.kind]
		fmt.Fprintf(&b, "%s%s%s%s%s\n", indent, n.name, s[0], mermaidText(n.lines...), s[1])
	}
	for _, e := range g.groups {
		fmt.Fprintf(&b, "  subgraph %s[%s]\n", e.name, mermaidText(e.lines...))
		for _, n := range e.nodes {
			box("    ", n)
		}
		b.WriteString("  end\n")
	}
	for _, n := range g.shared {
		box("  ", n)
	}
	arrows := map[string]string{"inside": "-->", "acl": "-.->", "policy": "-.-o"}
	for _, e := range g.edges {
		fmt.Fprintf(&b, "  %s %s %s\n", e.from, arrows[e.kind], e.to)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// mermaidText quotes lines as one label. Everything that Mermaid or the HTML
// that it makes could take for markup becomes a numbered entity, which is
// written "#34;".
func mermaidText(lines ...string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, l := range lines {
		if i > 0 {
			b.WriteString("<br>")
		}
		for _, r := range l {
			if r < ' ' || strings.ContainsRune("\"#&<>`\\;*_~[]{}|", r) {
				fmt.Fprintf(&b, "#%d;", r)
				continue
			}
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
