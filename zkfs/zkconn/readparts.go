package zkconn

import (
	"context"
	"fmt"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

// A partRead is one of the answers that Read puts together.
type partRead struct {
	op   int32
	part zkfs.Parts // 0: the Stat alone
	node *zkfs.Node
}

var readNames = map[int32]string{
	opExists: "exists", opGetData: "getData", opGetACL: "getACL", opChildren: "getChildren", opList: "getChildren",
}

// partsOf lists what to ask for: the parts, and the Stat where no data bring it.
func partsOf(parts zkfs.Parts, nodes []zkfs.Node) []partRead {
	var all []partRead
	for i := range nodes {
		n := &nodes[i]
		if parts&zkfs.PartData != 0 {
			all = append(all, partRead{opGetData, zkfs.PartData, n})
		} else {
			all = append(all, partRead{opExists, 0, n})
		}
		if parts&zkfs.PartACL != 0 {
			all = append(all, partRead{opGetACL, zkfs.PartACL, n})
		}
		if parts&zkfs.PartChildren != 0 {
			all = append(all, partRead{opChildren, zkfs.PartChildren, n})
		}
	}
	return all
}

// readParts asks for parts of nodes, with one request for each; with together
// those that a multiRead takes are one request.
func (s *Session) readParts(ctx context.Context, parts zkfs.Parts, nodes []zkfs.Node, together bool) error {
	var bundle, single []partRead
	var requests []*request
	for _, p := range partsOf(parts, nodes) {
		if together && (p.op == opGetData || p.op == opChildren) {
			bundle = append(bundle, p)
			continue
		}
		body := unwatched
		if p.op == opGetACL {
			body = nil
		}
		r, err := s.pathRequest(p.op, p.node.Path, body)
		if err != nil {
			return opFailed("read", p.node.Path, err)
		}
		single, requests = append(single, p), append(requests, r)
	}
	if len(bundle) > 0 {
		requests = append(requests, s.multiReadRequest(bundle))
	}
	if err := s.call(ctx, requests...); err != nil {
		return opFailed("read", nodes[0].Path, err)
	}
	for i, p := range single {
		answer := &requests[i].reply
		if err := p.take(answer.code, jute.NewReader(answer.body)); err != nil {
			return err
		}
	}
	if len(bundle) == 0 {
		return nil
	}
	return takeBundle(bundle, &requests[len(single)].reply)
}

// take puts an answer into its node.
func (p partRead) take(code int32, r *jute.Reader) error {
	n := p.node
	switch {
	case code == codeNoNode:
		n.Absent = true
		return nil
	case code == codeNoAuth && p.part != 0:
		n.Denied |= p.part
		return nil
	case code != codeOK:
		return opFailed(readNames[p.op], n.Path, codeError(code))
	}
	switch p.op {
	case opGetData:
		n.Data = r.Buffer()
	case opGetACL:
		n.ACL = readACL(r)
	case opChildren, opList:
		if n.Children = r.Strings(); n.Children == nil {
			n.Children = []string{}
		}
	}
	if p.op != opList {
		n.Stat = readStat(r)
	}
	if err := r.Err(); err != nil {
		return opFailed(readNames[p.op], n.Path, fmt.Errorf("the server's answer makes no sense: %w", err))
	}
	return nil
}

// multiReadRequest asks for data and children of many znodes at once
// (org.apache.zookeeper.MultiOperationRecord; servers since 3.6).
func (s *Session) multiReadRequest(bundle []partRead) *request {
	return newRequest(opMultiRead, func(w *jute.Writer) {
		for _, p := range bundle {
			writeMultiHeader(w, listing(p.op), false)
			s.writePath(w, p.node.Path)
			w.Bool(false)
		}
		writeMultiHeader(w, -1, true)
	})
}

// listing returns the request that a multiRead knows in place of getChildren2.
func listing(op int32) int32 {
	if op == opChildren {
		return opList
	}
	return op
}

func takeBundle(bundle []partRead, answer *reply) error {
	if answer.code != codeOK {
		return opFailed("multiRead", bundle[0].node.Path, codeError(answer.code))
	}
	r := jute.NewReader(answer.body)
	for _, p := range bundle {
		kind, done := readMultiHeader(r)
		code := codeOK
		if kind == opError {
			code = r.Int32()
		}
		p.op = listing(p.op)
		if r.Err() != nil || done || code == codeOK && kind != p.op {
			return opFailed("multiRead", p.node.Path, fmt.Errorf("the server's answer makes no sense"))
		}
		if err := p.take(code, r); err != nil {
			return err
		}
	}
	return nil
}

// knowsMultiRead reports whether the server takes a multiRead, and asks it the
// first time: one before 3.6 drops the connection on a request that it does not
// know, so this is not left to chance.
func (s *Session) knowsMultiRead(ctx context.Context) bool {
	select {
	case s.probing <- struct{}{}:
		defer func() { <-s.probing }()
	case <-ctx.Done():
		return false
	}
	if s.multiRead == nil {
		root := zkfs.Node{Path: zkfs.Root}
		bundle := []partRead{{opGetData, zkfs.PartData, &root}}
		r := s.multiReadRequest(bundle)
		err := s.call(ctx, r)
		if ctx.Err() != nil {
			return false
		}
		known := err == nil && takeBundle(bundle, &r.reply) == nil
		s.multiRead = &known
	}
	return *s.multiRead
}
