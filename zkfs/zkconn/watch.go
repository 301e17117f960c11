package zkconn

import (
	"context"
	"fmt"

	"github.com/lockform/lockform/zkfs"
)

// EventType says what a watch saw.
type EventType uint8

// The types of events.
const (
	Created EventType = iota + 1
	Deleted
	Changed         // the data was set
	ChildrenChanged // a child was created or deleted
	// Look means that the watch could not be kept across a reconnection, so
	// that something may have happened: look.
	Look
)

// String returns the name of the type.
func (t EventType) String() string {
	switch t {
	case Created:
		return "created"
	case Deleted:
		return "deleted"
	case Changed:
		return "changed"
	case ChildrenChanged:
		return "children changed"
	case Look:
		return "look"
	}
	return fmt.Sprintf("event(%d)", uint8(t))
}

// An Event is what happened to a watched znode.
type Event struct {
	Type  EventType
	Path  zkfs.Path
	Epoch uint64 // of the connection that brought it
}

// A Watch tells one change of a znode.
type Watch struct {
	// C delivers one Event and is then closed. It is closed without one when the
	// session is over. A receiver is not needed: nothing blocks on it.
	C <-chan Event
	// Epoch is that of the connection on which the watch was set. An event of a
	// later epoch compares the znode with what it was: it may be another that
	// was made anew under the same name.
	Epoch uint64
}

// Stop gives the watch up. C delivers nothing more; it is not closed.
func (w *Watch) Stop() {}

// GetW is Get, with a watch for a change of the data or a deletion.
func (s *Session) GetW(ctx context.Context, path zkfs.Path) ([]byte, zkfs.Stat, *Watch, error) {
	return nil, zkfs.Stat{}, nil, zkfs.ErrUnimplemented
}

// ExistsW is Exists, with a watch for a change of the data or a deletion; for
// the creation when there is no znode.
func (s *Session) ExistsW(ctx context.Context, path zkfs.Path) (zkfs.Stat, bool, *Watch, error) {
	return zkfs.Stat{}, false, nil, zkfs.ErrUnimplemented
}

// ChildrenW is Children, with a watch for children that come or go, or the
// deletion of the znode itself.
func (s *Session) ChildrenW(ctx context.Context, path zkfs.Path) ([]string, zkfs.Stat, *Watch, error) {
	return nil, zkfs.Stat{}, nil, zkfs.ErrUnimplemented
}
