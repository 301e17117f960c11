package plan

import (
	"context"

	"github.com/lockform/lockform/zkfs"
)

// inFlight is how many batches are under way at once: while the server works on
// some, the next ones are encoded and sent.
const inFlight = 4

// sendBatches carries out the batches that are left, several in flight at a
// time. When ctx ends, no more are sent, and those under way are waited for.
func (s *side) sendBatches(ctx context.Context) error {
	var flights []*flight
	for {
		for sent := s.batch + len(flights); ctx.Err() == nil && sent < len(s.e.Batches) && len(flights) < inFlight; sent++ {
			if s.Lock.Context().Err() != nil {
				break
			}
			var last *flight
			var witness []zkfs.Op
			if len(flights) > 0 {
				last, witness = flights[len(flights)-1], s.e.witness(s.e.Batches[sent-1])
				if witness == nil {
					break
				}
			}
			f, err := s.batchFlight(last, sent, witness)
			if err != nil && last == nil {
				return s.refusedMulti(ctx, err)
			}
			if err != nil {
				break
			}
			s.send(ctx, f)
			flights = append(flights, f)
		}
		switch {
		case len(flights) > 0:
			done, err := s.await(ctx, flights)
			if err != nil {
				return err
			}
			flights = flights[done:]
		case s.batch == len(s.e.Batches):
			return nil
		case s.Lock.Context().Err() != nil:
			return s.lockLost(context.Cause(s.Lock.Context()))
		default:
			return s.stopped(ctx)
		}
	}
}

// batchFlight makes the multi of a batch, which follows another; the last one
// ends the run when no ACLs follow.
func (s *side) batchFlight(after *flight, i int, witness []zkfs.Op) (*flight, error) {
	b := s.e.Batches[i]
	ev := Event{Kind: EventBatch, Ensemble: s.Ensemble, Batch: i + 1, Batches: len(s.e.Batches), Ops: b.Ops, Bytes: b.Bytes}
	ops := make([]zkfs.Op, 0, len(witness)+b.Ops)
	ops = append(ops, witness...)
	for j := b.From; j < b.To; j++ {
		if step := &s.e.Steps[j]; !step.NoOp() {
			ops = s.e.appendOps(ops, step)
			ev.Steps = append(ev.Steps, step)
		}
	}
	next := s.ledger
	if after != nil {
		next = after.next
	}
	run := *next.Run
	run.Batch = i + 1
	next.Run = &run
	if run.Batch == len(s.e.Batches) && len(s.e.ACLs) == 0 {
		ops = append(ops, s.end(&next)...)
	}
	begun := s.a.o.Now()
	f, err := s.flight(after, next, ops, func(zxid int64) {
		s.batch++
		s.a.wrote = s.a.wrote || len(ev.Steps) > 0
		ev.Kind, ev.Zxid, ev.Elapsed = EventCommitted, zxid, s.a.o.Now().Sub(begun)
		s.a.o.Observe(ev)
	})
	if err == nil {
		s.a.o.Observe(ev)
	}
	return f, err
}

// witness returns a check that succeeds only after a batch was carried out: of
// a znode that it wrote. The version of the ledger alone would not tell from
// each other what the batch wrote there and what a stranger did, who gave it the
// same version by hand. Nil means that there is none: the batch only deletes.
func (e *Ensemble) witness(b Batch) []zkfs.Op {
	for i := b.To - 1; i >= b.From; i-- {
		switch s := &e.Steps[i]; {
		case e.prepared(s) || s.NoOp() || s.Has(Rotate): // before a rotation the znode may have the same version
		case s.Has(Create):
			return []zkfs.Op{{Kind: zkfs.OpCheck, Path: s.Path, Version: 1}}
		case s.Data != nil:
			return []zkfs.Op{{Kind: zkfs.OpCheck, Path: s.Path, Version: s.Pre.Version + 1}}
		}
	}
	return nil
}
