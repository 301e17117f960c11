package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// A layout is one directory that can be applied, with the arguments and the
// environment that its text asks for.
type example struct {
	dir   string
	args  []string
	env   []string
	locks int // that it declares
}

var layouts = []example{
	{dir: "quickstart", locks: 2},
	{dir: "recipes", env: []string{"LOCKFORM_VAR_planner_password=pw"}, locks: 8},
	{dir: "teams", args: []string{"-var-file=stage.vars.hcl"}, env: []string{"LOCKFORM_VAR_planner_password=pw"}, locks: 155},
	{dir: "teams", args: []string{"-var-file=prod.vars.hcl", "-var=env=stage"}, env: []string{"LOCKFORM_VAR_planner_password=pw"}, locks: 195},
	{dir: "ci/locks", env: []string{"LOCKFORM_VAR_planner_password=pw"}, locks: 2},
	{dir: "ensemble", env: []string{"LOCKFORM_VAR_planner_password=pw"}, locks: 1},
	{dir: "guarded", locks: 1},
}

// TestLayouts validates, plans and applies each layout, plans it again, and
// takes it away.
func TestLayouts(t *testing.T) {
	for _, l := range layouts {
		t.Run(l.dir+strings.Join(l.args, " "), func(t *testing.T) {
			zktest.Each(t, func(t *testing.T, e *zktest.Env) {
				dir := copyTree(t, "../examples/"+l.dir)
				servers := "-servers=" + e.Servers
				lockform := func(want int, args ...string) string {
					t.Helper()
					return run(t, dir, l.env, want, "lockform", args...)
				}
				with := func(args ...string) []string { return append(args, l.args...) }

				lockform(0, "fmt", "-check", "-diff", ".")
				lockform(0, with("validate")...)
				lockform(2, with("plan", "-detailed-exitcode", servers)...)
				lockform(0, with("apply", "-auto-approve", servers)...)
				if got := countLocks(t, e); got != l.locks {
					t.Errorf("it made %d locks, want %d", got, l.locks)
				}
				lockform(0, with("plan", "-detailed-exitcode", servers)...)
				lockform(0, with("destroy", "-auto-approve", "-purge", servers)...)
				if tree := e.Tree(t); len(tree) != 0 {
					t.Errorf("destroy -purge left %v", tree)
				}
			})
		})
	}
}

func countLocks(t *testing.T, e *zktest.Env) int {
	n := 0
	for p, data := range e.Tree(t) {
		r, err := layout.ParseRecord([]byte(data))
		if err == nil && r.Kind == layout.KindLock && p.Base() != "apply" {
			n++
		}
	}
	return n
}

// TestWorkflows runs the steps of the CI workflows in their order, as a runner
// does: a pull request that is merged, and one that changes nothing.
func TestWorkflows(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		dir := copyTree(t, "../examples/ci")
		env := []string{
			"LOCKFORM_VAR_planner_password=pw", "NO_COLOR=1",
			`LOCKFORM_VAR_servers=["` + e.Addr + `"]`,
		}
		// The runner's ensemble is the test's: its chroot comes with the layout.
		chroot(t, filepath.Join(dir, "locks/layout.hcl"), e.Chroot)
		steps := append(runSteps(t, filepath.Join(dir, ".github/workflows/plan.yml")),
			runSteps(t, filepath.Join(dir, ".github/workflows/apply.yml"))...)
		if len(steps) != 5 {
			t.Fatalf("the workflows have %d steps that run something: %q", len(steps), steps)
		}
		for range 2 {
			for _, step := range steps {
				run(t, dir, env, 0, "bash", "-e", "-c", step)
			}
			if got := countLocks(t, e); got != 2 {
				t.Errorf("there are %d locks, want 2", got)
			}
		}
	})
}

func runSteps(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		Jobs yaml.Node `yaml:"jobs"`
	}
	if err := yaml.Unmarshal(data, &workflow); err != nil {
		t.Fatal(err)
	}
	var steps []string
	for i := 1; i < len(workflow.Jobs.Content); i += 2 { // the jobs in their order
		var job struct {
			Steps []struct {
				Run string `yaml:"run"`
			} `yaml:"steps"`
		}
		if err := workflow.Jobs.Content[i].Decode(&job); err != nil {
			t.Fatal(err)
		}
		for _, s := range job.Steps {
			if s.Run != "" {
				steps = append(steps, s.Run)
			}
		}
	}
	return steps
}

func chroot(t *testing.T, file string, path zkfs.Path) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const at = "  servers = var.servers\n"
	if !strings.Contains(string(data), at) {
		t.Fatalf("%s has no line %q", file, at)
	}
	changed := strings.Replace(string(data), at, at+"  chroot  = \""+path.String()+"\"\n", 1)
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDemo runs what "make demo" runs.
func TestDemo(t *testing.T) {
	out := run(t, ".", nil, 0, "../examples/quickstart/demo.sh", bin)
	for _, want := range []string{"No changes", "[first] holds", "[second] holds", `"2m0s" → "5m0s"`} {
		if !strings.Contains(out, want) {
			t.Errorf("its output lacks %q:\n%s", want, out)
		}
	}
}
