package zkfs

import "time"

// A Stat is what the server keeps of a znode besides its data and ACL.
type Stat struct {
	Czxid          int64 // the transaction that created it
	Mzxid          int64 // the last change of its data
	Ctime, Mtime   time.Time
	Version        int32 // changes of its data
	Cversion       int32 // changes of its children
	Aversion       int32 // changes of its ACL
	EphemeralOwner int64 // the session of an ephemeral; 0 for containers and TTL nodes too
	DataLength     int32
	NumChildren    int32
	Pzxid          int64 // the last change of its children
}

// NextSequence returns the sequence that the next sequential child gets. Empty
// is false when there are children now.
//
// A server tells as Cversion twice the number of children that were ever made,
// less those that are there (org.apache.zookeeper.server.DataNode.copyStat); the
// sequence is that number, and the doubling may have overflowed.
func (s Stat) NextSequence() (next int64, empty bool) {
	return int64(uint32(s.Cversion+s.NumChildren) / 2), s.NumChildren == 0
}

// Parts says what of a znode to read besides its Stat.
type Parts uint8

// The parts of a znode.
const (
	PartData Parts = 1 << iota
	PartACL
	PartChildren
)

// A Node is a znode as it was read. Absent is true when the server said that
// there is none; the other fields are then zero.
type Node struct {
	Path     Path
	Absent   bool
	Denied   Parts // asked for and refused for lack of a permission
	Data     []byte
	Stat     Stat
	ACL      ACL      // nil when it was not read
	Children []string // nil when they were not read
}

// A Snapshot is a part of the tree as it was read, by path. A path that is not
// in it was not looked at; one that does not exist is there and Absent.
type Snapshot map[Path]Node

// CreateMode is the kind of a new znode, with the server's numbers.
type CreateMode int32

// The kinds of znodes.
const (
	Persistent           CreateMode = 0
	Ephemeral            CreateMode = 1
	PersistentSequential CreateMode = 2
	EphemeralSequential  CreateMode = 3
)

// OpKind says what an Op does.
type OpKind uint8

// The operations of a multi.
const (
	OpCreate OpKind = iota + 1
	OpSet
	OpDelete
	OpCheck
)

// AnyVersion as an expected version means that none is expected.
const AnyVersion int32 = -1

// An Op is one operation of a multi. ACLs cannot be set in a multi; a create
// carries its own.
type Op struct {
	Kind    OpKind
	Path    Path
	Data    []byte     // create, set
	ACL     ACL        // create
	Mode    CreateMode // create
	Version int32      // set, delete, check: expected; AnyVersion for none
}

// A Result is the answer to one Op of a multi that was committed.
type Result struct {
	Path Path  // create: the name given, with its sequence
	Stat Stat  // set
	Zxid int64 // the transaction, one for the whole multi: the czxid of what it created
}
