package zkconn

import (
	"context"

	"github.com/lockform/lockform/zkfs"
)

// Create makes a znode. Result.Path has the sequence of a sequential one,
// Result.Zxid is its czxid.
func (s *Session) Create(ctx context.Context, path zkfs.Path, data []byte, acl zkfs.ACL, mode zkfs.CreateMode) (zkfs.Result, error) {
	return zkfs.Result{}, zkfs.ErrUnimplemented
}

// CreateList makes a znode and lists the children of its parent, with both
// requests in flight together: the listing is answered after the create and
// includes the new znode, unless somebody has deleted it already. When the
// create succeeds and the listing does not, the Result is valid beside the error.
func (s *Session) CreateList(ctx context.Context, path zkfs.Path, data []byte, acl zkfs.ACL, mode zkfs.CreateMode) (zkfs.Result, []string, error) {
	return zkfs.Result{}, nil, zkfs.ErrUnimplemented
}

// Get reads data and Stat.
func (s *Session) Get(ctx context.Context, path zkfs.Path) ([]byte, zkfs.Stat, error) {
	return nil, zkfs.Stat{}, zkfs.ErrUnimplemented
}

// Exists reads the Stat, and false when there is no such znode. It needs no
// permission.
func (s *Session) Exists(ctx context.Context, path zkfs.Path) (zkfs.Stat, bool, error) {
	return zkfs.Stat{}, false, zkfs.ErrUnimplemented
}

// Children reads the names of the children, in no order, and the Stat.
func (s *Session) Children(ctx context.Context, path zkfs.Path) ([]string, zkfs.Stat, error) {
	return nil, zkfs.Stat{}, zkfs.ErrUnimplemented
}

// Set writes the data if the znode has the expected version.
func (s *Session) Set(ctx context.Context, path zkfs.Path, data []byte, version int32) (zkfs.Stat, error) {
	return zkfs.Stat{}, zkfs.ErrUnimplemented
}

// Delete removes the znode if it has the expected version and no children.
func (s *Session) Delete(ctx context.Context, path zkfs.Path, version int32) error {
	return zkfs.ErrUnimplemented
}

// GetACL reads ACL and Stat. It needs READ or ADMIN; without ADMIN the server
// hides the passwords of digests.
func (s *Session) GetACL(ctx context.Context, path zkfs.Path) (zkfs.ACL, zkfs.Stat, error) {
	return nil, zkfs.Stat{}, zkfs.ErrUnimplemented
}

// SetACL replaces the ACL if the znode has the expected aversion.
func (s *Session) SetACL(ctx context.Context, path zkfs.Path, acl zkfs.ACL, aversion int32) (zkfs.Stat, error) {
	return zkfs.Stat{}, zkfs.ErrUnimplemented
}

// Multi carries out all operations or none. The error is a *zkfs.MultiError
// when the server refused one of them.
func (s *Session) Multi(ctx context.Context, ops []zkfs.Op) ([]zkfs.Result, error) {
	return nil, zkfs.ErrUnimplemented
}

// Sync waits until the server that the session is connected to has seen
// everything that was committed before.
func (s *Session) Sync(ctx context.Context, path zkfs.Path) error { return zkfs.ErrUnimplemented }

// AddAuth adds a credential to the session, now and on every later connection.
// One that it has already is not sent again. The server accepts any digest,
// the right password or not. Any other refusal ends the session.
func (s *Session) AddAuth(ctx context.Context, a Auth) error { return zkfs.ErrUnimplemented }

// Read reads many znodes, in the order of paths. One that does not exist is
// Absent, a part without permission Denied; any other failure fails the whole.
// The reads are no snapshot: each shows its znode at a moment of its own.
func (s *Session) Read(ctx context.Context, parts zkfs.Parts, paths []zkfs.Path) ([]zkfs.Node, error) {
	return nil, zkfs.ErrUnimplemented
}
