package zkconn

import (
	"fmt"

	"github.com/lockform/lockform/zkfs"
)

// The requests of the protocol (org.apache.zookeeper.ZooDefs.OpCode).
const (
	opConnect   int32 = 0 // not a number of the protocol
	opCreate    int32 = 1
	opDelete    int32 = 2
	opExists    int32 = 3
	opGetData   int32 = 4
	opSetData   int32 = 5
	opGetACL    int32 = 6
	opSetACL    int32 = 7
	opList      int32 = 8 // getChildren, without a Stat
	opSync      int32 = 9
	opPing      int32 = 11
	opChildren  int32 = 12 // getChildren2
	opCheck     int32 = 13
	opMulti     int32 = 14
	opMultiRead int32 = 22
	opAuth      int32 = 100
	opSetWatch  int32 = 101
	opClose     int32 = -11
	opError     int32 = -1 // a result in a multi
)

// changes reports whether a request may have an effect that matters when it is
// carried out and its answer lost. To close a session twice does no harm.
func changes(op int32) bool {
	switch op {
	case opCreate, opDelete, opSetData, opSetACL, opMulti:
		return true
	}
	return false
}

const (
	codeOK             int32 = 0
	codeInconsistent   int32 = -2
	codeUnimplemented  int32 = -6
	codeNoNode         int32 = -101
	codeNoAuth         int32 = -102
	codeSessionExpired int32 = -112
)

// codeError maps the server's error codes (KeeperException.Code). A code that
// is not known leaves open what was done.
func codeError(code int32) error {
	switch code {
	case codeOK:
		return nil
	case codeUnimplemented:
		return zkfs.ErrUnimplemented
	case -5, -8: // marshalling error, bad arguments
		return zkfs.ErrBadArguments
	case codeNoNode:
		return zkfs.ErrNoNode
	case codeNoAuth:
		return zkfs.ErrNoAuth
	case -103:
		return zkfs.ErrBadVersion
	case -108:
		return zkfs.ErrEphemeralChildren
	case -110:
		return zkfs.ErrNodeExists
	case -111:
		return zkfs.ErrNotEmpty
	case codeSessionExpired:
		return zkfs.ErrSessionOver
	case -114:
		return zkfs.ErrInvalidACL
	case -115:
		return zkfs.ErrAuthFailed
	case -118:
		return fmt.Errorf("%w: the session has moved to another server", zkfs.ErrUnavailable)
	case -119:
		return zkfs.ErrReadOnly
	case -124:
		return fmt.Errorf("%w: the server wants the session to authenticate first", zkfs.ErrAuthFailed)
	case -125:
		return zkfs.ErrQuota
	case -127:
		return fmt.Errorf("%w: the server has more requests than it can take", zkfs.ErrUnavailable)
	}
	if name := codeNames[code]; name != "" {
		return fmt.Errorf("%w: the server answered with its error %d (%s)", zkfs.ErrOutcomeUnknown, code, name)
	}
	return fmt.Errorf("%w: the server answered with its error %d", zkfs.ErrOutcomeUnknown, code)
}

var codeNames = map[int32]string{
	-1: "system error", codeInconsistent: "runtime inconsistency", -3: "data inconsistency", -4: "connection loss",
	-7: "operation timeout", -9: "invalid state", -122: "request timeout",
}

// opFailed is the error of a request as callers get it.
func opFailed(op string, path zkfs.Path, err error) error {
	if err == nil {
		return nil
	}
	return &zkfs.OpError{Op: op, Path: path, Err: err}
}
