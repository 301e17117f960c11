package zkconn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

// absolute checks what every path must be.
func absolute(path zkfs.Path) error {
	if !strings.HasPrefix(string(path), "/") {
		return fmt.Errorf("%w: %q is not an absolute path", zkfs.ErrBadArguments, path)
	}
	return nil
}

// serverPath returns the server's name of a path below the chroot.
func (s *Session) serverPath(path zkfs.Path) (string, error) {
	return string(path.Under(s.chroot)), absolute(path)
}

// writePath writes the server's name of an absolute path.
func (s *Session) writePath(w *jute.Writer, path zkfs.Path) {
	switch {
	case s.chroot == "" || s.chroot == zkfs.Root:
		w.String(string(path))
	case path == zkfs.Root:
		w.String(string(s.chroot))
	default:
		w.String(string(s.chroot), string(path))
	}
}

// clientPath is the inverse of serverPath, for what the server returns.
func (s *Session) clientPath(path string) zkfs.Path {
	p, _ := zkfs.Path(path).Trim(s.chroot)
	return p
}

// do makes a request on one path: body writes what follows the path, decode
// reads the answer.
func (s *Session) do(ctx context.Context, name string, op int32, path zkfs.Path, body func(*jute.Writer), decode func(*jute.Reader)) error {
	r, err := s.pathRequest(op, path, body)
	if err == nil {
		if err = s.call(ctx, r); err == nil {
			err = r.reply.decode(decode)
		}
	}
	return opFailed(name, path, err)
}

func (s *Session) pathRequest(op int32, path zkfs.Path, body func(*jute.Writer)) (*request, error) {
	if err := absolute(path); err != nil {
		return nil, err
	}
	return newRequest(op, func(w *jute.Writer) {
		s.writePath(w, path)
		if body != nil {
			body(w)
		}
	}), nil
}

func unwatched(w *jute.Writer) { w.Bool(false) }

func (s *Session) createRequest(path zkfs.Path, data []byte, acl zkfs.ACL, mode zkfs.CreateMode) (*request, error) {
	if err := absolute(path); err != nil {
		return nil, err
	}
	return newRequest(opCreate, func(w *jute.Writer) { s.writeCreate(w, path, data, acl, mode) }), nil
}

func (s *Session) createResult(r *request) (zkfs.Result, error) {
	result := zkfs.Result{Zxid: r.reply.zxid}
	err := r.reply.decode(func(r *jute.Reader) { result.Path = s.clientPath(r.String()) })
	if err != nil {
		return zkfs.Result{}, err
	}
	return result, nil
}

// Create makes a znode. Result.Path has the sequence of a sequential one,
// Result.Zxid is its czxid.
func (s *Session) Create(ctx context.Context, path zkfs.Path, data []byte, acl zkfs.ACL, mode zkfs.CreateMode) (zkfs.Result, error) {
	r, err := s.createRequest(path, data, acl, mode)
	if err == nil {
		err = s.call(ctx, r)
	}
	if err != nil {
		return zkfs.Result{}, opFailed("create", path, err)
	}
	result, err := s.createResult(r)
	return result, opFailed("create", path, err)
}

// CreateList makes a znode and lists the children of its parent, with both
// requests in flight together: the listing is answered after the create and
// includes the new znode, unless somebody has deleted it already. When the
// create succeeds and the listing does not, the Result is valid beside the error.
func (s *Session) CreateList(ctx context.Context, path zkfs.Path, data []byte, acl zkfs.ACL, mode zkfs.CreateMode) (zkfs.Result, []string, error) {
	create, err := s.createRequest(path, data, acl, mode)
	if err != nil {
		return zkfs.Result{}, nil, opFailed("create", path, err)
	}
	list, err := s.pathRequest(opChildren, path.Parent(), unwatched)
	if err == nil {
		err = s.call(ctx, create, list)
	}
	// The create may have been answered when the listing was not.
	var result zkfs.Result
	if create.answered() {
		var refused error
		if result, refused = s.createResult(create); refused != nil {
			return zkfs.Result{}, nil, opFailed("create", path, refused)
		}
		if err != nil {
			// The outcome that is unknown would be that of the create.
			return result, nil, opFailed("getChildren", path.Parent(), fmt.Errorf("%w: %v", zkfs.ErrUnavailable, err))
		}
	}
	if err != nil {
		return zkfs.Result{}, nil, opFailed("create", path, err)
	}
	var names []string
	err = list.reply.decode(func(r *jute.Reader) { names = r.Strings() })
	return result, names, opFailed("getChildren", path.Parent(), err)
}

// Get reads data and Stat.
func (s *Session) Get(ctx context.Context, path zkfs.Path) ([]byte, zkfs.Stat, error) {
	var data []byte
	var st zkfs.Stat
	err := s.do(ctx, "getData", opGetData, path, unwatched, func(r *jute.Reader) { data, st = r.Buffer(), readStat(r) })
	return data, st, err
}

// Exists reads the Stat, and false when there is no such znode. It needs no
// permission.
func (s *Session) Exists(ctx context.Context, path zkfs.Path) (zkfs.Stat, bool, error) {
	var st zkfs.Stat
	err := s.do(ctx, "exists", opExists, path, unwatched, func(r *jute.Reader) { st = readStat(r) })
	if errors.Is(err, zkfs.ErrNoNode) {
		return zkfs.Stat{}, false, nil
	}
	return st, err == nil, err
}

// Children reads the names of the children, in no order, and the Stat.
func (s *Session) Children(ctx context.Context, path zkfs.Path) ([]string, zkfs.Stat, error) {
	var names []string
	var st zkfs.Stat
	err := s.do(ctx, "getChildren", opChildren, path, unwatched, func(r *jute.Reader) { names, st = r.Strings(), readStat(r) })
	return names, st, err
}

// Set writes the data if the znode has the expected version.
func (s *Session) Set(ctx context.Context, path zkfs.Path, data []byte, version int32) (zkfs.Stat, error) {
	var st zkfs.Stat
	err := s.do(ctx, "setData", opSetData, path, func(w *jute.Writer) {
		writeData(w, data)
		w.Int32(version)
	}, func(r *jute.Reader) { st = readStat(r) })
	return st, err
}

// Delete removes the znode if it has the expected version and no children.
func (s *Session) Delete(ctx context.Context, path zkfs.Path, version int32) error {
	return s.do(ctx, "delete", opDelete, path, func(w *jute.Writer) { w.Int32(version) }, nil)
}

// GetACL reads ACL and Stat. It needs READ or ADMIN; without ADMIN the server
// hides the passwords of digests.
func (s *Session) GetACL(ctx context.Context, path zkfs.Path) (zkfs.ACL, zkfs.Stat, error) {
	var acl zkfs.ACL
	var st zkfs.Stat
	err := s.do(ctx, "getACL", opGetACL, path, nil, func(r *jute.Reader) { acl, st = readACL(r), readStat(r) })
	return acl, st, err
}

// SetACL replaces the ACL if the znode has the expected aversion.
func (s *Session) SetACL(ctx context.Context, path zkfs.Path, acl zkfs.ACL, aversion int32) (zkfs.Stat, error) {
	var st zkfs.Stat
	err := s.do(ctx, "setACL", opSetACL, path, func(w *jute.Writer) {
		writeACL(w, acl)
		w.Int32(aversion)
	}, func(r *jute.Reader) { st = readStat(r) })
	return st, err
}

// Multi carries out all operations or none. The error is a *zkfs.MultiError
// when the server refused one of them. No operations are no request.
func (s *Session) Multi(ctx context.Context, ops []zkfs.Op) ([]zkfs.Result, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	r, err := s.multiRequest(ops)
	if err != nil {
		return nil, err
	}
	return s.multi(ctx, ops, r)
}

func (s *Session) multi(ctx context.Context, ops []zkfs.Op, r *request) ([]zkfs.Result, error) {
	if err := s.call(ctx, r); err != nil {
		return nil, opFailed("multi", ops[0].Path, err)
	}
	return s.multiAnswer(ops, &r.reply)
}

// SendMulti sends a transaction without waiting for its answer; the function,
// which must be called, waits for that and returns what Multi would. One session
// carries its transactions out in the order in which they were sent, unless the
// connection breaks in between: then any of those that were not answered may or
// may not have been carried out, and one that was not sent is
// zkfs.ErrUnavailable. None is sent again.
func (s *Session) SendMulti(ctx context.Context, ops []zkfs.Op) (answer func() ([]zkfs.Result, error)) {
	if len(ops) == 0 {
		return func() ([]zkfs.Result, error) { return nil, nil }
	}
	r, err := s.multiRequest(ops)
	if err != nil {
		return func() ([]zkfs.Result, error) { return nil, err }
	}
	w, err := s.start(ctx, r)
	return func() ([]zkfs.Result, error) {
		var broken error
		if err == nil {
			_, broken, err = s.outcome(ctx, w, []*request{r})
		}
		if err == nil && broken != nil {
			err = unanswered(w, broken)
		}
		if err != nil {
			return nil, opFailed("multi", ops[0].Path, err)
		}
		return s.multiAnswer(ops, &r.reply)
	}
}

func (s *Session) multiAnswer(ops []zkfs.Op, a *reply) ([]zkfs.Result, error) {
	results, err := s.multiResults(ops, a)
	var refused *zkfs.MultiError
	if err != nil && !errors.As(err, &refused) {
		err = opFailed("multi", ops[0].Path, err)
	}
	return results, err
}

// Sync waits until the server that the session is connected to has seen
// everything that was committed before.
func (s *Session) Sync(ctx context.Context, path zkfs.Path) error {
	return s.do(ctx, "sync", opSync, path, nil, nil)
}

// AddAuth adds a credential to the session, now and on every later connection.
// One that it has already is not sent again. The server accepts any digest,
// the right password or not. Any other refusal ends the session.
func (s *Session) AddAuth(ctx context.Context, a Auth) error {
	// One at a time: who adds a credential a second time may rely on it.
	select {
	case s.adding <- struct{}{}:
		defer func() { <-s.adding }()
	case <-ctx.Done():
		return fmt.Errorf("authenticate with scheme %q: %w: %w", a.Scheme, zkfs.ErrUnavailable, context.Cause(ctx))
	}
	a.Secret = slices.Clone(a.Secret)
	s.mu.Lock()
	if slices.ContainsFunc(s.auth, a.Equal) {
		s.mu.Unlock()
		return nil
	}
	s.auth = append(s.auth, a)
	s.mu.Unlock()
	r := s.authRequest(a)
	err := s.call(ctx, r)
	if err == nil {
		err = r.reply.decode(nil)
	}
	if err != nil {
		s.mu.Lock()
		s.auth = slices.DeleteFunc(s.auth, a.Equal)
		s.mu.Unlock()
		return fmt.Errorf("authenticate with scheme %q: %w", a.Scheme, err)
	}
	return nil
}
