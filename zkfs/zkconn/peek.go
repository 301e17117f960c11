package zkconn

import (
	"context"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

// A Peek is one of several reads that are in flight together.
type Peek struct {
	Path  zkfs.Path
	Part  zkfs.Parts // PartData or PartACL, with the Stat; 0 for the Stat alone
	Watch bool       // leave a watch for a change of the data or a deletion

	// What came of it. Err is that of this read; the others are not touched by it.
	Node zkfs.Node
	W    *Watch // nil without Watch, or with an Err
	Err  error
}

// Peek sends reads together, on one connection and in this order, so that each
// shows its znode no earlier than those before it do theirs. The error is that
// some were not answered; each of them has its own in Err otherwise.
func (s *Session) Peek(ctx context.Context, all ...*Peek) error {
	requests := make([]*request, len(all))
	for i, p := range all {
		var err error
		if requests[i], err = s.peekRequest(p); err != nil {
			return opFailed(readNames[p.op()], p.Path, err)
		}
	}
	if err := s.call(ctx, requests...); err != nil {
		for _, p := range all {
			p.unwatch()
		}
		return opFailed(readNames[all[0].op()], all[0].Path, err)
	}
	for i, p := range all {
		p.take(&requests[i].reply)
	}
	return nil
}

func (s *Session) peekRequest(p *Peek) (*request, error) {
	full, err := s.serverPath(p.Path)
	if err != nil {
		return nil, err
	}
	if p.Watch {
		return s.watchRequest(p.op(), full, &p.W), nil
	}
	return newRequest(p.op(), func(w *jute.Writer) {
		w.String(full)
		if p.Part != zkfs.PartACL {
			w.Bool(false)
		}
	}), nil
}

// take draws the conclusions from an answer.
func (p *Peek) take(answer *reply) {
	p.Node = zkfs.Node{Path: p.Path}
	p.Err = codeError(answer.code)
	if p.Err == nil {
		p.Err = partRead{p.op(), p.Part, &p.Node}.take(answer.code, jute.NewReader(answer.body))
	} else {
		p.Err = opFailed(readNames[p.op()], p.Path, p.Err)
	}
	if p.Err != nil {
		p.unwatch()
	}
}

func (p *Peek) op() int32 {
	switch p.Part {
	case zkfs.PartData:
		return opGetData
	case zkfs.PartACL:
		return opGetACL
	}
	return opExists
}

func (p *Peek) unwatch() {
	if p.W != nil {
		p.W.Stop()
		p.W = nil
	}
}
