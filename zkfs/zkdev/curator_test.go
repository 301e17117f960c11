package zkdev_test

import (
	"testing"

	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

func TestCuratorsRecipesBehaveAsOnARealServer(t *testing.T) {
	want := []string{
		"mutex: the second gets it at once: false",
		"mutex: contenders [_c_-lock-0000000000]",
		"mutex: the second gets it after the release: true",
		"mutex: contenders []",
		"rw: two readers: true",
		"rw: contenders [_c_-__READ__0000000000, _c_-__READ__0000000001]",
		"rw: a writer beside a reader: false",
		"rw: a writer alone: true",
		"rw: a reader beside a writer: false",
		"rw: contenders []",
		"semaphore: two of two: true",
		"semaphore: three of two: false",
		"semaphore: after a return: true",
		"semaphore: leases []",
		"latch: x leads: true",
		"latch: y leads too: false",
		"latch: y leads after x: true",
		"latch: leader y",
		"transaction: CREATE /tx/a error 0",
		"transaction: CREATE /tx/s-0000000001 error 0",
		"transaction: SET_DATA null error 0",
		"transaction: CHECK null error 0",
		"transaction: BADVERSION",
		"transaction: result 0",
		"transaction: result -103",
		"transaction: result -2",
		"transaction: children [a, s-0000000001]",
		"cache: at first 2",
		"cache: NODE_CREATED /cache/two 2",
		"cache: NODE_CHANGED /cache/one 11",
		"cache: NODE_CREATED /cache/two/deep 3",
		"cache: NODE_DELETED /cache/one 11",
		"modes: /container",
		"modes: /ttl",
		"modes: /container/_c_-e-0000000000",
		"modes: owner is the session: true",
		"end",
	}
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		c := zktest.Java(t, "testdata/Curator.java", e.Servers)
		for _, line := range want {
			c.Expect(t, line)
		}
		c.End(t)
	})
}
