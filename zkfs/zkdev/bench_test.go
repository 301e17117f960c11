package zkdev_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// benchmark runs f with many clients on each kind of server; f does one
// operation with the client of its goroutine.
func benchmark(b *testing.B, f func(c *zk.Conn, root string, i int64) error) {
	for _, kind := range zktest.Kinds() {
		b.Run("server="+string(kind), func(b *testing.B) {
			e := zktest.New(b, kind)
			var n atomic.Int64
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				c := dial(b, e.Addr, 30*time.Second)
				for pb.Next() {
					if err := f(c, e.Chroot.String(), n.Add(1)); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	benchmark(b, func(c *zk.Conn, root string, i int64) error {
		_, err := c.Create(fmt.Sprintf("%s/%d", root, i), []byte("data"), 0, open)
		return err
	})
}

func BenchmarkGet(b *testing.B) {
	benchmark(b, func(c *zk.Conn, root string, i int64) error {
		_, _, err := c.Get(root)
		return err
	})
}

// BenchmarkLock is one cycle of a lock: a contender, a look at the queue, the
// contender away again.
func BenchmarkLock(b *testing.B) {
	benchmark(b, func(c *zk.Conn, root string, i int64) error {
		path, err := c.Create(root+"/lock-", nil, zk.FlagEphemeral|zk.FlagSequence, open)
		if err != nil {
			return err
		}
		if _, _, err := c.Children(root); err != nil {
			return err
		}
		return c.Delete(path, -1)
	})
}

// BenchmarkStart is a server from its start to the first reply, and its end.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := zkdev.Start(zkdev.Config{})
		if err != nil {
			b.Fatal(err)
		}
		w, err := openWire(s.Addr())
		if err == nil {
			err = w.connect(30_000, 0)
		}
		if err != nil {
			b.Fatal(err)
		}
		w.call(b, zkdev.OpExists, watchBody("/", false))
		w.Close()
		s.Close()
	}
}

func TestHundredThousandZnodesFitIn200MiB(t *testing.T) {
	s := serve(t, zkdev.Config{})
	w := newWire(t, s.Addr())
	before := heap()
	const znodes, each = 100_000, 1000
	for i := range znodes / each {
		dir := fmt.Sprintf("/locks-%04d", i)
		parts := []part{{zkdev.OpCreate, createBody(dir, nil, zkfs.Open(), 0)}}
		for j := range each - 1 {
			acl := zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.Digest("team", "secret")}, {Perms: zkfs.Read, Identity: zkfs.Anyone}}
			parts = append(parts, part{zkdev.OpCreate, createBody(fmt.Sprintf("%s/lock-%06d", dir, j), make([]byte, 128), acl, 0)})
		}
		if p, _ := w.call(t, zkdev.OpMulti, multiBody(parts...)); p.code != zkdev.OK {
			t.Fatal(p.code)
		}
	}
	if p, _ := w.call(t, zkdev.OpGetAllChildrenNumber, pathBody("/")); p.body.Int32() != znodes+3 {
		t.Error("they are not all there")
	}
	if got := heap() - before; got > 200<<20 {
		t.Errorf("%d MiB", got>>20)
	} else {
		t.Logf("%d MiB", got>>20)
	}
}
