package plan

import (
	"fmt"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// BenchmarkLive creates locks on a server and then plans them unchanged.
func BenchmarkLive(b *testing.B) {
	for _, kind := range zktest.Kinds() {
		for _, n := range []int{1000, 10_000} {
			l := manyLocks(n)
			b.Run(fmt.Sprintf("%s/znodes=%d/create", kind, n), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					s := dial(b, zktest.New(b, kind), asPlanner())
					b.StartTimer()
					p := makePlan(b, s, l, Options{})
					if err := applyLive(b.Context(), s, p, 0, ApplyOptions{}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "znodes/s")
			})
			b.Run(fmt.Sprintf("%s/znodes=%d/unchanged", kind, n), func(b *testing.B) {
				s := dial(b, zktest.New(b, kind), asPlanner())
				if err := applyLive(b.Context(), s, makePlan(b, s, l, Options{}), time.Second, ApplyOptions{}); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if p := makePlan(b, s, l, Options{}); !p.Empty() {
						b.Fatal("the plan is not empty")
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "znodes/s")
			})
		}
	}
}
