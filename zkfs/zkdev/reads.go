package zkdev

import (
	"math"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

// The requests that change nothing but watches.

// doExists needs no permission. Its watch is set on absent znodes too; it
// shares the table of those on data.
func doExists(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, watch := r.String(), r.Bool()
	switch {
	case r.Err() != nil:
		return MarshallingError
	case strings.IndexByte(path, 0) >= 0:
		return BadArguments
	}
	if watch {
		s.watches.data.add(c, path, oneTime)
	}
	n := s.tree.find(path)
	if n == nil {
		return NoNode
	}
	n.stat().write(w)
	return OK
}

// readable finds a znode that c may read; a refused read sets no watch.
func (s *Server) readable(c *conn, r *jute.Reader, path string) (*node, Code) {
	if r.Err() != nil {
		return nil, MarshallingError
	}
	n := s.tree.find(path)
	if n == nil {
		return nil, NoNode
	}
	if !allowed(n.acl, zkfs.Read, c.ids) {
		return nil, NoAuth
	}
	return n, OK
}

func doGetData(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, watch := r.String(), r.Bool()
	n, code := s.readable(c, r, path)
	if code != OK {
		return code
	}
	if watch {
		s.watches.data.add(c, path, oneTime)
	}
	w.Buffer(n.data)
	n.stat().write(w)
	return OK
}

func children(withStat bool) handler {
	return func(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
		path, watch := r.String(), r.Bool()
		n, code := s.readable(c, r, path)
		if code != OK {
			return code
		}
		if watch {
			s.watches.child.add(c, path, oneTime)
		}
		w.Int32(int32(n.children.size))
		n.children.each(func(child *node) { w.String(child.name) })
		if withStat {
			n.stat().write(w)
		}
		return OK
	}
}

func doGetAllChildrenNumber(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path := r.String()
	n, code := s.readable(c, r, path)
	if code != OK {
		return code
	}
	count := n.below()
	if path == "" {
		count++ // by that name, the root counts itself
	}
	w.Int32(int32(min(count, math.MaxInt32)))
	return OK
}

// doGetEphemerals lists the session's own ephemerals by a prefix of the path,
// whole elements or not.
func doGetEphemerals(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	prefix, _ := r.NullString()
	if r.Err() != nil {
		return MarshallingError
	}
	if p := strings.TrimSpace(prefix); p == "/" || p == "" {
		prefix = ""
	}
	var all []string
	for _, n := range s.tree.owned(c.session.id) {
		if p := n.path(); strings.HasPrefix(p, prefix) {
			all = append(all, p)
		}
	}
	w.Strings(all)
	return OK
}

// doGetACL needs READ or ADMIN; without ADMIN the password hashes are hidden.
func doGetACL(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path := r.String()
	if r.Err() != nil {
		return MarshallingError
	}
	n := s.tree.find(path)
	switch {
	case n == nil:
		return NoNode
	case !allowed(n.acl, zkfs.Read|zkfs.Admin, c.ids):
		return NoAuth
	case allowed(n.acl, zkfs.Admin, c.ids):
		writeACL(w, n.acl)
	default:
		writeACL(w, redact(n.acl))
	}
	n.stat().write(w)
	return OK
}

// doSync has nothing to wait for: there is one server.
func doSync(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path := r.String()
	if r.Err() != nil {
		return MarshallingError
	}
	w.String(path)
	return OK
}

func doWhoAmI(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	w.Int32(int32(len(c.ids)))
	for _, id := range c.ids {
		w.String(id.Scheme)
		w.String(userName(id))
	}
	return OK
}

// setWatches reads setWatches, or setWatches2, which has two lists more.
func setWatches(two bool) handler {
	return func(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
		since := r.Int64()
		data, exist, child := r.Strings(), r.Strings(), r.Strings()
		var persist, recursive []string
		if two {
			persist, recursive = r.Strings(), r.Strings()
		}
		if r.Err() != nil {
			return MarshallingError
		}
		s.setWatches(c, since, data, exist, child, persist, recursive)
		return OK
	}
}

func doAddWatch(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, mode := r.String(), r.Int32()
	if r.Err() != nil || mode != 0 && mode != 1 {
		return MarshallingError
	}
	s.addWatch(c, path, persistentWatch+watchMode(mode))
	w.Int32(int32(OK)) // an ErrorResponse, of all things
	return OK
}

// The families of watches that a client can ask about (WatcherType).
const (
	watchChildren = 1
	watchData     = 2
	watchAny      = 3
)

func doCheckWatches(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, kind := r.String(), r.Int32()
	if r.Err() != nil || kind < watchChildren || kind > watchAny {
		return MarshallingError
	}
	child, data := NoWatcher, NoWatcher
	if kind != watchData {
		child = s.watches.child.contains(path)
	}
	if kind != watchChildren {
		data = s.watches.data.contains(path)
	}
	if child == NoWatcher || data == MarshallingError {
		return data
	}
	return child
}

func doRemoveWatches(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, kind := r.String(), r.Int32()
	if r.Err() != nil || kind < watchChildren || kind > watchAny {
		return MarshallingError
	}
	data := kind != watchChildren && s.watches.data.remove(c, path)
	child := kind != watchData && s.watches.child.remove(c, path)
	if !data && !child {
		return NoWatcher
	}
	return OK
}
