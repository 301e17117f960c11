package plan

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// These benchmarks compare with a model of the Terraform provider for ZooKeeper,
// on the same server and in the same minute: absolute figures move with the
// machine, the ratios hold.

// A rival is that model: ten resources in flight, four requests to create one,
// three to refresh it.
type rival struct {
	conn *zk.Conn
	acl  []zk.ACL
}

const (
	rivalInFlight = 10   // Terraform's -parallelism
	rivalSample   = 2000 // znodes from which its rate is taken
)

func newRival(b *testing.B, addr string) *rival {
	b.Helper()
	conn, _, err := zk.Connect([]string{addr}, 20*time.Second, zk.WithLogger(silent{}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(conn.Close)
	if err := conn.AddAuth("digest", []byte("planner:p")); err != nil {
		b.Fatal(err)
	}
	return &rival{conn, append(zk.DigestACL(zk.PermAll, "planner", "p"), zk.WorldACL(zk.PermRead)...)}
}

type silent struct{}

func (silent) Printf(string, ...any) {}

// each does something for every path and returns how many it did in a second.
func (r *rival) each(b *testing.B, paths []string, do func(path string) error) float64 {
	b.Helper()
	work, begun := make(chan string), time.Now()
	errs := make(chan error, rivalInFlight)
	var all sync.WaitGroup
	for range rivalInFlight {
		all.Go(func() {
			for p := range work {
				if err := do(p); err != nil {
					select {
					case errs <- fmt.Errorf("%s: %w", p, err):
					default:
					}
				}
			}
		})
	}
	for _, p := range paths {
		work <- p
	}
	close(work)
	all.Wait()
	select {
	case err := <-errs:
		b.Fatal(err)
	default:
	}
	return float64(len(paths)) / time.Since(begun).Seconds()
}

func (r *rival) creates(b *testing.B, paths []string, data []byte) float64 {
	return r.each(b, paths, func(p string) error {
		if exists, _, err := r.conn.Exists(p); err != nil || exists {
			return errors.Join(err, fmt.Errorf("exists: %v", exists))
		}
		if _, err := r.conn.Create(p, data, 0, r.acl); err != nil {
			return err
		}
		return r.reads(p)
	})
}

func (r *rival) refreshes(b *testing.B, paths []string) float64 {
	return r.each(b, paths, func(p string) error {
		if _, _, err := r.conn.Exists(p); err != nil {
			return err
		}
		return r.reads(p)
	})
}

func (r *rival) reads(p string) error {
	if _, _, err := r.conn.Get(p); err != nil {
		return err
	}
	_, _, err := r.conn.GetACL(p)
	return err
}

// A scale is one server with what a benchmark compares on it.
type scale struct {
	server *zktest.RealServer
	rival  *rival
	runs   int // sets of the rival's znodes
	trees  int // chroots
	record []byte
}

func newScale(b *testing.B) *scale {
	b.Helper()
	server := zktest.StartReal(b, zktest.RealConfig{Heap: "1g"})
	record, err := layout.Record{Layout: "test", Address: `namespace.n0.lock.l["0"]`, Kind: layout.KindLock, Policy: new(layout.DefaultPolicy())}.Encode()
	if err != nil {
		b.Fatal(err)
	}
	s := &scale{server: server, rival: newRival(b, server.Addr), record: record}
	// The server compiles itself while it works: neither side is to pay for that.
	warm := manyLocks(20_000)
	for range 5 {
		s.rivalCreates(b)
		s.rivalRefreshes(b)
		target := s.session(b, server.Addr)
		p := makePlan(b, target, warm, Options{})
		if err := applyLive(b.Context(), target, p, 0, ApplyOptions{}); err != nil {
			b.Fatal(err)
		}
		s.clear(b, target, p)
	}
	return s
}

// clear removes what a plan has made: a server that runs out of memory is slow.
func (s *scale) clear(b *testing.B, target *zkconn.Session, p *Plan) {
	b.Helper()
	var paths []zkfs.Path
	for i := range p.Ensembles[0].Steps {
		paths = append(paths, p.Ensembles[0].Steps[i].Path)
	}
	slices.Reverse(paths)
	for few := range slices.Chunk(paths, 500) {
		var ops []zkfs.Op
		for _, path := range few {
			ops = append(ops, zkfs.Op{Kind: zkfs.OpDelete, Path: path, Version: zkfs.AnyVersion})
		}
		if _, err := target.Multi(b.Context(), ops); err != nil {
			b.Fatal(err)
		}
	}
}

func (s *scale) rivalPaths() []string {
	paths := make([]string, rivalSample)
	for i := range paths {
		paths[i] = fmt.Sprintf("/rival%d/l-%d", s.runs, i)
	}
	return paths
}

// rivalCreates and rivalRefreshes return znodes in a second; what is refreshed
// was created last.
func (s *scale) rivalCreates(b *testing.B) float64 {
	b.Helper()
	s.runs++
	if _, err := s.rival.conn.Create(fmt.Sprintf("/rival%d", s.runs), nil, 0, s.rival.acl); err != nil {
		b.Fatal(err)
	}
	return s.rival.creates(b, s.rivalPaths(), s.record)
}

func (s *scale) rivalRefreshes(b *testing.B) float64 {
	b.Helper()
	return s.rival.refreshes(b, s.rivalPaths())
}

// session opens a session as the planner in an empty tree.
func (s *scale) session(b *testing.B, addr string) *zkconn.Session {
	b.Helper()
	s.trees++
	chroot := fmt.Sprintf("/tree%d", s.trees)
	if _, err := s.rival.conn.Create(chroot, nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
		b.Fatal(err)
	}
	return dial(b, &zktest.Env{Servers: addr + chroot}, asPlanner())
}

func apply(b *testing.B, s *zkconn.Session, l *layout.Layout) {
	b.Helper()
	if err := applyLive(b.Context(), s, makePlan(b, s, l, Options{}), time.Second, ApplyOptions{}); err != nil {
		b.Fatal(err)
	}
}

// rates collects what is done in a second, ours and the rival's.
type rates struct{ ours, theirs, n float64 }

func (r *rates) add(ours, theirs float64) {
	r.ours, r.theirs, r.n = r.ours+ours, r.theirs+theirs, r.n+1
}

func (r *rates) report(b *testing.B, what string) {
	b.ReportMetric(r.ours/r.n, what+"/s")
	b.ReportMetric(r.theirs/r.n, "provider-"+what+"/s")
	b.ReportMetric(r.ours/r.theirs, "×provider")
}

// bare sends the operations of a plan in its batches, as many in flight as an apply
// has, and nothing else: what the server itself takes. It returns locks in a second.
func (s *scale) bare(b *testing.B, l *layout.Layout) float64 {
	b.Helper()
	target := s.session(b, s.server.Addr)
	p := makePlan(b, target, l, Options{})
	e := &p.Ensembles[0]
	if _, err := Prepare(b.Context(), target, p, "main"); err != nil {
		b.Fatal(err)
	}
	var batches [][]zkfs.Op
	for _, batch := range e.Batches {
		var ops []zkfs.Op
		for i := batch.From; i < batch.To; i++ {
			ops = e.appendOps(ops, &e.Steps[i])
		}
		batches = append(batches, ops)
	}
	runtime.GC()
	begun := time.Now()
	var answers []func() ([]zkfs.Result, error)
	for len(batches)+len(answers) > 0 {
		for ; len(batches) > 0 && len(answers) < inFlight; batches = batches[1:] {
			answers = append(answers, target.SendMulti(b.Context(), batches[0]))
		}
		if _, err := answers[0](); err != nil {
			b.Fatal(err)
		}
		answers = answers[1:]
	}
	rate := float64(len(l.Locks)) / time.Since(begun).Seconds()
	s.clear(b, target, p)
	return rate
}

// BenchmarkApply applies layouts of new locks: the time is that of Prepare, the
// apply lock and Apply, with its reading of all preconditions. Beside it stands
// what the same operations take without all that.
func BenchmarkApply(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("new=%d", n), func(b *testing.B) {
			s, l := newScale(b), manyLocks(n)
			var r, floor rates
			for b.Loop() {
				b.StopTimer()
				theirs := s.rivalCreates(b)
				floor.add(s.bare(b, l), theirs)
				target := s.session(b, s.server.Addr)
				p := makePlan(b, target, l, Options{})
				runtime.GC()
				b.StartTimer()
				begun := time.Now()
				if err := applyLive(b.Context(), target, p, 0, ApplyOptions{}); err != nil {
					b.Fatal(err)
				}
				r.add(float64(n)/time.Since(begun).Seconds(), theirs)
				b.StopTimer()
				s.clear(b, target, p)
				b.StartTimer()
			}
			r.report(b, "creates")
			b.ReportMetric(floor.ours/floor.theirs, "bare×provider")
		})
	}
}

// BenchmarkPlan plans 100,000 locks: unchanged (with multiRead, and from a server
// that does not know it), changed by 1 %, and from nothing. The rival's refresh
// is what Terraform does before it plans.
func BenchmarkPlan(b *testing.B) {
	const n = 100_000
	s, l := newScale(b), manyLocks(n)
	applied := s.session(b, s.server.Addr)
	apply(b, applied, l)
	old := dial(b, &zktest.Env{Servers: beforeMultiRead(b, s.server.Addr) + fmt.Sprintf("/tree%d", s.trees)}, asPlanner())
	empty := s.session(b, s.server.Addr)
	for _, bc := range []struct {
		name    string
		target  *zkconn.Session
		l       *layout.Layout
		changes int
	}{
		{"unchanged", applied, l, 0},
		{"unchanged/single reads", old, l, 0},
		{"changed=1%", applied, changeSome(l), n / 100},
		{"new", empty, l, n},
	} {
		b.Run(fmt.Sprintf("locks=%d/%s", n, bc.name), func(b *testing.B) {
			var reading, planning rates
			for b.Loop() {
				b.StopTimer()
				theirs := s.rivalRefreshes(b)
				runtime.GC()
				b.StartTimer()
				begun := time.Now()
				live, err := Read(b.Context(), bc.target, bc.l, "main", Options{})
				if err != nil {
					b.Fatal(err)
				}
				read := time.Since(begun)
				p, err := Diff(bc.l, []*Live{live}, Options{})
				if err != nil {
					b.Fatal(err)
				}
				reading.add(n/read.Seconds(), theirs)
				planning.add(n/time.Since(begun).Seconds(), theirs)
				if sum := p.Summary(); sum.Create+sum.Update < bc.changes || bc.changes == 0 && !p.Empty() {
					b.Fatalf("got %+v", sum)
				}
			}
			reading.report(b, "reads")
			b.ReportMetric(planning.ours/planning.n, "plans/s")
		})
	}
}

// BenchmarkMemory tells what a plan of unchanged and of new locks keeps in memory
// for each of them, with the layout and everything that was read.
func BenchmarkMemory(b *testing.B) {
	inUse := func() float64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	const few, many = 10_000, 110_000
	for _, unchanged := range []bool{true, false} {
		b.Run(fmt.Sprintf("unchanged=%v", unchanged), func(b *testing.B) {
			for b.Loop() {
				var kept []float64
				for _, n := range []int{few, many} {
					e := zktest.New(b, zktest.Embedded)
					s := dial(b, e, asPlanner())
					if unchanged {
						apply(b, s, manyLocks(n))
					}
					before := inUse()
					l := manyLocks(n)
					live, err := Read(b.Context(), s, l, "main", Options{})
					if err != nil {
						b.Fatal(err)
					}
					p, err := Diff(l, []*Live{live}, Options{})
					if err != nil {
						b.Fatal(err)
					}
					kept = append(kept, inUse()-before)
					runtime.KeepAlive(live)
					runtime.KeepAlive(p)
				}
				b.ReportMetric((kept[1]-kept[0])/(many-few), "B/lock")
			}
		})
	}
}
