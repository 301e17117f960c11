package layout_test

import (
	"testing"

	"github.com/lockform/lockform/zkfs/layout"
)

func TestMovedBlocksKeepKeys(t *testing.T) {
	for _, tc := range []struct{ from, to, a, want layout.Address }{
		{"namespace.batch", "namespace.jobs", `namespace.batch["x"].lock.a`, `namespace.jobs["x"].lock.a`},
		{`namespace.batch["x"]`, "namespace.jobs", `namespace.batch["x"].lock.a`, `namespace.jobs.lock.a`},
		{`namespace.batch["x"]`, `namespace.jobs["y"]`, `namespace.batch["x"].lock.a`, `namespace.jobs["y"].lock.a`},
		{"lock.a", "namespace.n.lock.a", "lock.a", "namespace.n.lock.a"},
		{"lock.a", "lock.b", "lock.c", "lock.c"},
		{"lock.a", `lock.a["x"]`, "lock.a", `lock.a["x"]`},
		{"lock.a", `lock.a["x"]`, `lock.a["y"]`, `lock.a["y"]`},
		{`lock.a["x"]`, "lock.a", `lock.a["x"]`, "lock.a"},
	} {
		if got, _ := (layout.Moved{From: tc.from, To: tc.to}).Apply(tc.a); got != tc.want {
			t.Errorf("%s from %s to %s: got %s, want %s", tc.a, tc.from, tc.to, got, tc.want)
		}
	}
}
