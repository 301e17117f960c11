package zkdev

import (
	"fmt"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

// An Op is the type of a request, with the numbers of ZooDefs.OpCode.
type Op int32

// The requests that the server knows.
const (
	OpCreate               Op = 1
	OpDelete               Op = 2
	OpExists               Op = 3
	OpGetData              Op = 4
	OpSetData              Op = 5
	OpGetACL               Op = 6
	OpSetACL               Op = 7
	OpGetChildren          Op = 8
	OpSync                 Op = 9
	OpPing                 Op = 11
	OpGetChildren2         Op = 12
	OpCheck                Op = 13
	OpMulti                Op = 14
	OpCreate2              Op = 15
	OpReconfig             Op = 16
	OpCheckWatches         Op = 17
	OpRemoveWatches        Op = 18
	OpCreateContainer      Op = 19
	OpDeleteContainer      Op = 20
	OpCreateTTL            Op = 21
	OpMultiRead            Op = 22
	OpAuth                 Op = 100
	OpSetWatches           Op = 101
	OpSASL                 Op = 102
	OpGetEphemerals        Op = 103
	OpGetAllChildrenNumber Op = 104
	OpSetWatches2          Op = 105
	OpAddWatch             Op = 106
	OpWhoAmI               Op = 107
	OpCreateSession        Op = -10
	OpCloseSession         Op = -11
	opError                Op = -1
)

var opNames = map[Op]struct{ name, last string }{
	OpCreate:               {"create", "CREA"},
	OpDelete:               {"delete", "DELE"},
	OpExists:               {"exists", "EXIS"},
	OpGetData:              {"getData", "GETD"},
	OpSetData:              {"setData", "SETD"},
	OpGetACL:               {"getACL", "GETA"},
	OpSetACL:               {"setACL", "SETA"},
	OpGetChildren:          {"getChildren", "GETC"},
	OpSync:                 {"sync", "SYNC"},
	OpPing:                 {"ping", "PING"},
	OpGetChildren2:         {"getChildren2", "GETC"},
	OpCheck:                {"check", "CHEC"},
	OpMulti:                {"multi", "MULT"},
	OpCreate2:              {"create2", "CREA"},
	OpReconfig:             {"reconfig", "RECO"},
	OpCheckWatches:         {"checkWatches", "CHKW"},
	OpRemoveWatches:        {"removeWatches", "REMW"},
	OpCreateContainer:      {"createContainer", "CREA"},
	OpDeleteContainer:      {"deleteContainer", "DELE"},
	OpCreateTTL:            {"createTTL", "CREA"},
	OpMultiRead:            {"multiRead", "MLTR"},
	OpAuth:                 {"auth", "AUTH"},
	OpSetWatches:           {"setWatches", "SETW"},
	OpSASL:                 {"sasl", "SASL"},
	OpGetEphemerals:        {"getEphemerals", "GETE"},
	OpGetAllChildrenNumber: {"getAllChildrenNumber", "GETACN"},
	OpSetWatches2:          {"setWatches2", "STW2"},
	OpAddWatch:             {"addWatch", "ADDW"},
	OpWhoAmI:               {"whoAmI", "HOMI"},
	OpCreateSession:        {"createSession", "SESS"},
	OpCloseSession:         {"closeSession", "CLOS"},
}

// String returns the name that ZooDefs gives to the request.
func (o Op) String() string {
	if n, ok := opNames[o]; ok {
		return n.name
	}
	return fmt.Sprintf("request(%d)", int32(o))
}

// kind folds the variants of a request into one, so that a Fault for creates
// meets whichever of them a client library happens to send.
func (o Op) kind() Op {
	switch o {
	case OpCreate2, OpCreateContainer, OpCreateTTL:
		return OpCreate
	case OpGetChildren2:
		return OpGetChildren
	case OpSetWatches2:
		return OpSetWatches
	}
	return o
}

// A Code is the error in a reply, with the numbers of KeeperException.Code.
type Code int32

// The errors that the server answers with.
const (
	OK                         Code  = 0
	SystemError                Code  = -1
	RuntimeInconsistency       Code  = -2
	DataInconsistency          Code  = -3
	ConnectionLoss             Code  = -4
	MarshallingError           Code  = -5
	Unimplemented              Code  = -6
	OperationTimeout           Code  = -7
	BadArguments               Code  = -8
	ReconfigDisabled           Code  = -123
	NoNode                     Code  = -101
	NoAuth                     Code  = -102
	BadVersion                 Code  = -103
	NoChildrenForEphemerals    Code  = -108
	NodeExists                 Code  = -110
	NotEmpty                   Code  = -111
	SessionExpired             Code  = -112
	InvalidCallback            Code  = -113
	InvalidACL                 Code  = -114
	AuthFailed                 Code  = -115
	SessionMoved               Code  = -118
	NotReadOnly                Code  = -119
	EphemeralOnLocalSession    Code  = -120
	NoWatcher                  Code  = -121
	QuotaExceeded              Code  = -125
	Throttled                  Code  = -127
	maxPacket                        = 0xfffff // jute.maxbuffer: 1,048,575 bytes
	pingXid, authXid, watchXid int32 = -2, -4, -1
)

// The kinds of watch events (Watcher.Event.EventType).
type eventType int32

const (
	nodeCreated         eventType = 1
	nodeDeleted         eventType = 2
	nodeDataChanged     eventType = 3
	nodeChildrenChanged eventType = 4

	syncConnected int32 = 3 // KeeperState, the only one that goes over the wire
)

// readACL reads a vector of ACL entries. A null scheme is kept as "", which no
// provider has, so that it is refused as the server refuses it; a null id is
// an error but with "auth", where nobody looks at it and kazoo sends it.
func readACL(r *jute.Reader) zkfs.ACL {
	n := r.Count(12)
	acl := make(zkfs.ACL, 0, n)
	for range n {
		perms := zkfs.Perms(r.Int32())
		scheme, _ := r.NullString()
		id, null := r.NullString()
		if null && scheme != "auth" {
			r.Fail(jute.ErrNull)
		}
		acl = append(acl, zkfs.Entry{Perms: perms, Identity: zkfs.Identity{Scheme: scheme, ID: id}})
	}
	return acl
}

func writeACL(w *jute.Writer, acl zkfs.ACL) {
	w.Int32(int32(len(acl)))
	for _, e := range acl {
		w.Int32(int32(e.Perms))
		w.String(e.Scheme)
		w.String(e.ID)
	}
}

// A stat is what goes over the wire of a znode besides its data
// (DataNode.copyStat).
type stat struct {
	czxid, mzxid, ctime, mtime  int64
	version, cversion, aversion int32
	owner                       int64
	dataLength, numChildren     int32
	pzxid                       int64
}

func (st stat) write(w *jute.Writer) {
	w.Int64(st.czxid)
	w.Int64(st.mzxid)
	w.Int64(st.ctime)
	w.Int64(st.mtime)
	w.Int32(st.version)
	w.Int32(st.cversion)
	w.Int32(st.aversion)
	w.Int64(st.owner)
	w.Int32(st.dataLength)
	w.Int32(st.numChildren)
	w.Int64(st.pzxid)
}
