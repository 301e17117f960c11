package cmd

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lockform/lockform/"

// layers says what the code of a package (not its tests) may import of this
// module and from outside the standard library. A pattern that ends in "/..."
// stands for everything below. A package that is not listed fails the test:
// its place has to be chosen.
var layers = map[string][]string{
	"zkfs":                   {},
	"zkfs/layout":            {"zkfs"},
	"zkfs/recipe":            {"zkfs"},
	"zkfs/internal/jute":     {},
	"zkfs/internal/boottime": {"golang.org/x/sys/unix"},
	"zkfs/zkconn": {"zkfs", "zkfs/internal/...",
		"github.com/go-zookeeper/zk", "github.com/hashicorp/go-hclog"},
	"zkfs/zkdev":        {"zkfs", "zkfs/internal/...", "github.com/hashicorp/go-hclog"},
	"zkfs/zkdev/zktest": {"zkfs", "zkfs/internal/...", "zkfs/zkdev", "github.com/go-zookeeper/zk", "go.uber.org/goleak"},
	"hcl": {"zkfs", "zkfs/layout", "github.com/hashicorp/hcl/v2/...", "github.com/zclconf/go-cty/...",
		"github.com/zclconf/go-cty-yaml", "github.com/agext/levenshtein", "github.com/google/uuid", "github.com/hashicorp/go-version",
		"github.com/mitchellh/go-wordwrap", "golang.org/x/..."},
	"plan":       {"zkfs", "zkfs/layout", "zkfs/recipe", "github.com/hashicorp/go-version", "github.com/google/uuid"},
	"agent/lock": {"zkfs", "zkfs/layout", "zkfs/recipe", "zkfs/zkconn", "github.com/hashicorp/go-hclog", "github.com/google/uuid"},
	"agent": {"zkfs", "zkfs/layout", "agent/lock", "agent/internal/...",
		"github.com/hashicorp/go-hclog", "golang.org/x/sys/unix", "golang.org/x/term"},
}

// TestLayersHold reads the imports of every package and checks them against
// layers. Commands may import everything, except each other's.
func TestLayersHold(t *testing.T) {
	for _, p := range goList(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if len(p.GoFiles) == 0 || strings.HasPrefix(name, "cmd/") || strings.HasPrefix(name, "examples/") {
			continue
		}
		allowed, ok := layers[name]
		if !ok && !strings.HasPrefix(name, "agent/internal/") {
			t.Errorf("package %s has no place in the layers: add it to the table, with what it may import", name)
			continue
		}
		if !ok {
			allowed = []string{"zkfs", "zkfs/layout", "agent/internal/...", "github.com/...", "golang.org/..."}
		}
		for _, imported := range p.Imports {
			if !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				continue // the standard library
			}
			short := strings.TrimPrefix(imported, module)
			if !slices.ContainsFunc(allowed, func(pattern string) bool { return matches(pattern, short) }) {
				t.Errorf("%s imports %s, which its layer may not", name, short)
			}
		}
	}
}

// TestAgentIsLight checks that the agent's binary does without the planner's
// language and without the test server.
func TestAgentIsLight(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", module+"cmd/lockform-agent").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		for _, heavy := range []string{module + "hcl", module + "plan", module + "zkfs/zkdev"} {
			if matches(heavy+"/...", dep) || dep == heavy {
				t.Errorf("lockform-agent depends on %s", dep)
			}
		}
	}
}

func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == prefix || strings.HasPrefix(name, prefix+"/")
	}
	return path.Clean(pattern) == name
}

type listed struct {
	ImportPath string
	GoFiles    []string
	Imports    []string
}

func goList(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,GoFiles,Imports", module+"...")
	cmd.Dir = ".."
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(out); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("go list: %v", err)
	}
	if len(all) < 8 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}
