package zkfs

import (
	"errors"
	"fmt"
)

// What a server can answer, for errors.Is. Whatever speaks to a server maps
// its library's errors onto these in one place.
var (
	ErrNoNode            = errors.New("the znode does not exist")
	ErrNodeExists        = errors.New("the znode exists already")
	ErrNotEmpty          = errors.New("the znode has children")
	ErrBadVersion        = errors.New("the version is not the expected one")
	ErrNoAuth            = errors.New("permission denied")
	ErrAuthFailed        = errors.New("the server refused the authentication")
	ErrInvalidACL        = errors.New("the server refused the ACL")
	ErrEphemeralChildren = errors.New("an ephemeral znode cannot have children")
	ErrBadArguments      = errors.New("the server refused the arguments")
	ErrTooLarge          = errors.New("the request is larger than a server takes")
	ErrQuota             = errors.New("the quota is exceeded")
	ErrUnimplemented     = errors.New("the server does not know this request")
	ErrReadOnly          = errors.New("the server is read-only: it has lost its quorum")
	// ErrUnavailable means that no connection could be had and the request was
	// not sent.
	ErrUnavailable = errors.New("ZooKeeper cannot be reached")
	// ErrOutcomeUnknown means that a request was sent and its reply not seen:
	// it may have been carried out, may be still, or may never be.
	ErrOutcomeUnknown = errors.New("the outcome is unknown")
	// ErrSessionOver means that the session has expired or was closed, and
	// all its ephemerals with it.
	ErrSessionOver = errors.New("the session is over")
	// ErrRolledBack is the result of those operations of a failed multi that
	// were not the cause of its failure.
	ErrRolledBack = errors.New("rolled back with its transaction")
)

// OpError tells which request failed, on which path.
type OpError struct {
	Op   string // such as "create" or "getData"
	Path Path
	Err  error
}

func (e *OpError) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Err) }
func (e *OpError) Unwrap() error { return e.Err }

// MultiError tells which operation made the server refuse a multi. Nothing of
// the multi was carried out.
type MultiError struct {
	Index int // of the operation that failed
	Op    Op
	Err   error
}

func (e *MultiError) Error() string {
	return fmt.Sprintf("operation %d of the transaction (%s %s): %v", e.Index+1, e.Op.Kind, e.Op.Path, e.Err)
}
func (e *MultiError) Unwrap() error { return e.Err }

// String returns the name of the operation.
func (k OpKind) String() string {
	switch k {
	case OpCreate:
		return "create"
	case OpSet:
		return "setData"
	case OpDelete:
		return "delete"
	case OpCheck:
		return "check"
	}
	return fmt.Sprintf("operation(%d)", uint8(k))
}
