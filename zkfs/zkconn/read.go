package zkconn

import (
	"context"
	"errors"
	"sync"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

const (
	readChunk   = 100 // znodes read together
	readWorkers = 8   // chunks in flight
)

// Read reads many znodes, in the order of paths. One that does not exist is
// Absent, a part without permission Denied; any other failure fails the whole.
// The reads are no snapshot: each shows its znode at a moment of its own.
func (s *Session) Read(ctx context.Context, parts zkfs.Parts, paths []zkfs.Path) ([]zkfs.Node, error) {
	nodes := make([]zkfs.Node, len(paths))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next, workers = make(chan int), sync.WaitGroup{}
	for range min(readWorkers, (len(paths)+readChunk-1)/readChunk) {
		workers.Go(func() {
			for i := range next {
				end := min(i+readChunk, len(paths))
				if err := s.readSome(ctx, parts, paths[i:end], nodes[i:end]); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < len(paths) && ctx.Err() == nil; i += readChunk {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		var failed *zkfs.OpError
		if !errors.As(err, &failed) {
			err = opFailed("read", paths[0], err)
		}
		return nil, err
	}
	return nodes, nil
}

// A partRead is one request of Read.
type partRead struct {
	*request
	name string
	part zkfs.Parts // 0: the Stat alone
	node *zkfs.Node
}

// readSome reads znodes with one request for each part, all in flight together.
func (s *Session) readSome(ctx context.Context, parts zkfs.Parts, paths []zkfs.Path, nodes []zkfs.Node) error {
	var reads []partRead
	var requests []*request
	for i, path := range paths {
		nodes[i].Path = path
		for _, k := range []struct {
			name string
			part zkfs.Parts
			op   int32
			body func(*jute.Writer)
		}{
			{"exists", 0, opExists, unwatched},
			{"getData", zkfs.PartData, opGetData, unwatched},
			{"getACL", zkfs.PartACL, opGetACL, nil},
			{"getChildren", zkfs.PartChildren, opChildren, unwatched},
		} {
			// exists is for the Stat where no other part is sure to bring it.
			if k.part != 0 && parts&k.part == 0 || k.part == 0 && parts&zkfs.PartData != 0 {
				continue
			}
			r, err := s.pathRequest(k.op, path, k.body)
			if err != nil {
				return opFailed(k.name, path, err)
			}
			reads = append(reads, partRead{r, k.name, k.part, &nodes[i]})
			requests = append(requests, r)
		}
	}
	if err := s.call(ctx, requests...); err != nil {
		return err
	}
	for _, r := range reads {
		if err := r.into(); err != nil {
			return opFailed(r.name, r.node.Path, err)
		}
	}
	return s.statsOfDenied(ctx, nodes)
}

// into puts an answer into its node.
func (r partRead) into() error {
	n := r.node
	switch {
	case n.Absent:
		return nil
	case r.reply.code == codeNoNode:
		*n = zkfs.Node{Path: n.Path, Absent: true}
		return nil
	case r.reply.code == codeNoAuth && r.part != 0:
		n.Denied |= r.part
		return nil
	}
	return r.reply.decode(func(b *jute.Reader) {
		switch r.part {
		case zkfs.PartData:
			n.Data = b.Buffer()
		case zkfs.PartACL:
			n.ACL = readACL(b)
		case zkfs.PartChildren:
			if n.Children = b.Strings(); n.Children == nil {
				n.Children = []string{}
			}
		}
		n.Stat = readStat(b)
	})
}

// statsOfDenied asks for the Stats that did not come with a refused part.
func (s *Session) statsOfDenied(ctx context.Context, nodes []zkfs.Node) error {
	var paths []zkfs.Path
	var at []int
	for i, n := range nodes {
		if n.Denied != 0 && n.Stat.Ctime.IsZero() {
			paths, at = append(paths, n.Path), append(at, i)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	found := make([]zkfs.Node, len(paths))
	if err := s.readSome(ctx, 0, paths, found); err != nil {
		return err
	}
	for i, n := range found {
		if n.Absent {
			nodes[at[i]] = n
		} else {
			nodes[at[i]].Stat = n.Stat
		}
	}
	return nil
}
