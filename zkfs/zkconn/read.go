package zkconn

import (
	"context"
	"errors"
	"sync"

	"github.com/lockform/lockform/zkfs"
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

// readSome reads znodes, with all requests in flight together. Where the server
// can, data and children come in one multiRead; when the connection breaks over
// that, since the reply was too large for us, the parts are asked for singly.
func (s *Session) readSome(ctx context.Context, parts zkfs.Parts, paths []zkfs.Path, nodes []zkfs.Node) error {
	for i, path := range paths {
		if err := absolute(path); err != nil {
			return opFailed("read", path, err)
		}
		nodes[i].Path = path
	}
	together := len(paths) > 1 && parts&(zkfs.PartData|zkfs.PartChildren) != 0 && s.knowsMultiRead(ctx)
	err := s.readParts(ctx, parts, nodes, together)
	if err != nil && together && ctx.Err() == nil && s.Err() == nil {
		err = s.readParts(ctx, parts, nodes, false)
	}
	if err != nil {
		return err
	}
	for i, n := range nodes {
		if n.Absent { // by any of its parts: it went between two of them
			nodes[i] = zkfs.Node{Path: n.Path, Absent: true}
		}
	}
	return s.statsOfDenied(ctx, nodes)
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
