package zkconn

import "github.com/lockform/lockform/zkfs/internal/jute"

// A request is one packet to the server and what came of it.
type request struct {
	op      int32
	frame   []byte              // the packet, its xid put in when it is queued
	onReply func(*wire, *reply) // runs on the reading goroutine, in the order of the server's packets

	// Guarded by the wire's mu until done is closed.
	xid       int32
	sent      bool // at least a part of it may have reached the server
	sentAt    Instant
	beat      bool    // a heartbeat
	proof     Instant // what a heartbeat proves when it is acknowledged; 0: nothing
	abandoned bool

	reply reply
	err   error // the connection broke before the answer
	done  chan struct{}
}

// A reply is a packet from the server that answers a request.
type reply struct {
	zxid int64
	code int32 // the server's error code
	body []byte
}

// usualRequest is room for most requests: the path and data of a contender, or a
// few checks.
const usualRequest = 512

// newRequest makes a request of the record that body writes.
func newRequest(op int32, body func(*jute.Writer)) *request {
	return newSizedRequest(op, usualRequest, body)
}

// newSizedRequest is newRequest for a record of about size bytes.
func newSizedRequest(op int32, size int, body func(*jute.Writer)) *request {
	w := jute.Writer{Buf: make([]byte, 0, size)}
	w.Frame(func() {
		w.Int32(0)
		w.Int32(op)
		if body != nil {
			body(&w)
		}
	})
	return &request{op: op, frame: w.Buf, done: make(chan struct{})}
}

// answered reports whether the answer to r has come.
func (r *request) answered() bool {
	select {
	case <-r.done:
		return r.err == nil
	default:
		return false
	}
}
