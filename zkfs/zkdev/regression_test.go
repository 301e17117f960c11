package zkdev_test

import (
	"testing"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// What the embedded server once answered otherwise than a real one. Each case
// goes to both, on paths of its own.
func TestCasesThatOnceDiffered(t *testing.T) {
	req := func(op zkdev.Op, body []byte) step { return step{op: op, body: body} }
	create := func(path string, flags int32) part {
		return part{zkdev.OpCreate, createBody(path, nil, zkfs.Open(), flags)}
	}
	missing := part{zkdev.OpDelete, versionBody("/none", -1)}
	nullID := body(func(w *jute.Writer) { // kazoo's CREATOR_ALL_ACL
		w.String("/null-id")
		w.Buffer(nil)
		w.Int32(1)
		w.Int32(31)
		w.String("auth")
		w.Int32(-1)
		w.Int32(0)
	})
	cases := []struct {
		name  string
		steps []step
	}{
		{"MalformedReconfigTakesNoZxid", []step{req(zkdev.OpReconfig, pathBody("/a")), req(zkdev.OpPing, nil)}},
		{"UnknownRequestIsAnsweredWithZxidMinusOne", []step{req(77, pathBody("/a"))}},
		{"DeleteContainerOfAClient", []step{req(zkdev.OpDeleteContainer, pathBody("/a"))}},
		{"SetWatchesWithBytesTooMany", []step{req(zkdev.OpSetWatches, append(watchesBody(0, []string{"/x"}, nil, nil), 1, 2, 3, 4, 5, 6, 7, 8, 9))}},
		{"WatchOfAZnodeThatBecomesUnreadable", []step{
			req(zkdev.OpExists, watchBody("/unreadable", true)),
			req(zkdev.OpCreate, createBody("/unreadable", nil, zkfs.ACL{{Perms: 31, Identity: zkfs.Digest("a", "b")}}, 0)),
			req(zkdev.OpDelete, versionBody("/unreadable", -1)),
		}},
		{"FlagsOfATTLInAPlainCreateOfAMulti", []step{
			req(zkdev.OpMulti, multiBody(create("/cast", 5))),
			req(zkdev.OpMulti, multiBody(create("/cast", 0), create("/cast/x", 6))),
			req(zkdev.OpMulti, multiBody(missing, create("/cast", 5))),
			req(zkdev.OpExists, watchBody("/cast", false)),
		}},
		{"FlagsOfAContainerInAPlainCreate", []step{
			req(zkdev.OpCreate, createBody("/plain", nil, zkfs.Open(), 4)),
			req(zkdev.OpMulti, multiBody(create("/inner", 4))),
		}},
		{"RefusedMultiAfterDeletes", []step{
			req(zkdev.OpMulti, multiBody(create("/r", 0), create("/r/x", 0), create("/r/s-", 2))),
			req(zkdev.OpMulti, multiBody(part{zkdev.OpDelete, versionBody("/r/x", -1)}, create("/r/s-", 2), missing)),
			req(zkdev.OpGetChildren2, watchBody("/r", false)),
			req(zkdev.OpCreate, createBody("/r/s-", nil, zkfs.Open(), 2)),
		}},
		{"NumberOfChildrenOfTheEmptyPath", []step{
			req(zkdev.OpGetAllChildrenNumber, pathBody("")), req(zkdev.OpGetAllChildrenNumber, pathBody("/")),
		}},
		{"CheckWatchesOfARelativePath", []step{
			req(zkdev.OpCheckWatches, versionBody("relative", 3)),
			req(zkdev.OpAddWatch, versionBody("/recursive", 1)),
			req(zkdev.OpCheckWatches, versionBody("relative", 1)),
			req(zkdev.OpCheckWatches, versionBody("relative", 2)),
			req(zkdev.OpCheckWatches, versionBody("", 3)),
			req(zkdev.OpCheckWatches, versionBody("rel/ative", 3)),
			req(zkdev.OpCheckWatches, versionBody("/recursive", 1)),
			req(zkdev.OpCheckWatches, versionBody("/recursive/below", 2)),
			req(zkdev.OpRemoveWatches, versionBody("/recursive", 3)),
			req(zkdev.OpCheckWatches, versionBody("rel/ative", 3)),
			req(zkdev.OpExists, watchBody("relative", true)),
			req(zkdev.OpCheckWatches, versionBody("relative", 3)),
		}},
		{"CheckOutsideOfAMultiThatFails", []step{
			req(zkdev.OpCheck, versionBody("/", 7)), req(zkdev.OpCheck, versionBody("/none", -1)), req(zkdev.OpCheck, versionBody("none", -1)),
		}},
		{"NullIDWithAuth", []step{
			req(zkdev.OpCreate, nullID),
			req(zkdev.OpAuth, authBody("digest", "u1:p")),
			req(zkdev.OpCreate, nullID),
			req(zkdev.OpGetACL, pathBody("/null-id")),
		}},
	}
	p := newPair(t, 2)
	if p == nil {
		return
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p.do(t, c.steps...)
			p.settle(t)
		})
	}
}
