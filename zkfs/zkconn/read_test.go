package zkconn_test

import (
	"fmt"
	"testing"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// A server that does not know multiRead, or breaks the connection over one, is
// read all the same.
func TestReadWithoutMultiRead(t *testing.T) {
	tests := []struct {
		name  string
		fault zkdev.Fault
	}{
		{"Unimplemented", zkdev.Fault{Kind: zkdev.OpMultiRead, Action: zkdev.Fail, Code: zkdev.Unimplemented}},
		{"ConnectionDropped", zkdev.Fault{Kind: zkdev.OpMultiRead, Action: zkdev.CloseBefore}},
		{"ReplyLost", zkdev.Fault{Kind: zkdev.OpMultiRead, Action: zkdev.CloseAfter}},
		{"LostLater", zkdev.Fault{Kind: zkdev.OpMultiRead, Action: zkdev.CloseAfter, Nth: 2, Times: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := zktest.New(t, zktest.Embedded)
			s := open(t, zkconn.Config{Servers: e.Servers})
			i := e.Dev.Inject(tt.fault)
			var paths []zkfs.Path
			for n := range 300 {
				path := zkfs.Path(fmt.Sprintf("/n%d", n))
				must(s.Create(within(t, 1e10), path, []byte(path), zkfs.Open(), 0))(t)
				paths = append(paths, path)
			}
			for range 2 {
				for _, n := range must(s.Read(within(t, 1e10), zkfs.PartData|zkfs.PartACL|zkfs.PartChildren, paths))(t) {
					if string(n.Data) != string(n.Path) || n.Children == nil || n.ACL == nil || n.Stat.Czxid == 0 {
						t.Fatalf("%+v", n)
					}
				}
			}
			<-i.Fired()
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, kind := range zktest.Kinds() {
		for _, znodes := range []int{1, 100, 10000} {
			b.Run(fmt.Sprintf("%s/znodes=%d", kind, znodes), func(b *testing.B) {
				e := zktest.New(b, kind)
				s, err := zkconn.Open(b.Context(), zkconn.Config{Servers: e.Servers})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close(b.Context())
				var paths []zkfs.Path
				var ops []zkfs.Op
				for i := range znodes {
					paths = append(paths, zkfs.Path(fmt.Sprintf("/n%d", i)))
					ops = append(ops, zkfs.Op{Kind: zkfs.OpCreate, Path: paths[i], Data: make([]byte, 300), ACL: zkfs.Open()})
				}
				for len(ops) > 0 {
					part := ops[:min(1000, len(ops))]
					if _, err := s.Multi(b.Context(), part); err != nil {
						b.Fatal(err)
					}
					ops = ops[len(part):]
				}
				for b.Loop() {
					if _, err := s.Read(b.Context(), zkfs.PartData|zkfs.PartChildren, paths); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(znodes)*float64(b.N)/b.Elapsed().Seconds(), "znodes/s")
			})
		}
	}
}

func BenchmarkCreateDelete(b *testing.B) {
	for _, kind := range zktest.Kinds() {
		b.Run(string(kind), func(b *testing.B) {
			e := zktest.New(b, kind)
			s, err := zkconn.Open(b.Context(), zkconn.Config{Servers: e.Servers})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close(b.Context())
			for b.Loop() {
				if _, err := s.Create(b.Context(), "/n", nil, zkfs.Open(), zkfs.Ephemeral); err != nil {
					b.Fatal(err)
				}
				if err := s.Delete(b.Context(), "/n", zkfs.AnyVersion); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
