package zkconn

import (
	"context"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

// ReadW reads the data of many znodes and leaves a watch on each, as GetW does,
// with two requests in flight together. The watches are in the order of paths,
// nil where the data could not be read. One may fire at once over a change that
// is older than the answer: the server reports what it has not told yet.
//
// The error is zkfs.ErrUnimplemented where the server does not know multiRead;
// GetW does the same there, one by one.
func (s *Session) ReadW(ctx context.Context, paths []zkfs.Path) (_ []zkfs.Node, _ []*Watch, err error) {
	if len(paths) == 0 {
		return nil, nil, nil
	}
	nodes := make([]zkfs.Node, len(paths))
	full := make([]string, len(paths))
	bundle := make([]partRead, len(paths))
	for i, path := range paths {
		if full[i], err = s.serverPath(path); err != nil {
			return nil, nil, opFailed("read", path, err)
		}
		nodes[i].Path = path
		bundle[i] = partRead{opGetData, zkfs.PartData, &nodes[i]}
	}
	if !s.knowsMultiRead(ctx) {
		return nil, nil, opFailed("read", paths[0], zkfs.ErrUnimplemented)
	}
	// They are entered before they are set: the server sends the events of those
	// that fire at once ahead of its answer.
	epoch := s.Epoch()
	watches := make([]*Watch, len(paths))
	for i := range paths {
		watches[i] = s.watches.add(watchKey{watchData, full[i]}, epoch)
	}
	defer func() {
		for i, w := range watches {
			if err != nil || nodes[i].Absent || nodes[i].Denied != 0 {
				w.Stop()
				watches[i] = nil
			}
		}
	}()
	set := newRequest(opSetWatch, func(w *jute.Writer) { writeSetWatches(w, s.lastZxid.Load(), full, nil, nil) })
	read := s.multiReadRequest(bundle)
	if err = s.call(ctx, set, read); err == nil {
		err = set.reply.decode(nil)
	}
	if err != nil {
		return nil, nil, opFailed("read", paths[0], err)
	}
	if err = takeBundle(bundle, &read.reply); err != nil {
		return nil, nil, err
	}
	return nodes, watches, nil
}
