package zkdev_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
	"github.com/lockform/lockform/zkfs/zkdev"
)

const sessions = 3

// A generator makes steps that are likely to meet each other: few paths, few
// identities, and now and then nonsense.
type generator struct {
	rand *rand.Rand
	sent int // requests so far; about half of them took a zxid
}

func pick[T any](g *generator, of ...T) T { return of[g.rand.IntN(len(of))] }

func (g *generator) chance(percent int) bool { return g.rand.IntN(100) < percent }

func (g *generator) path() string {
	if g.chance(4) {
		return pick(g, "", "a", "/a/", "//a", "/a//b", "/.", "/a/..", "/a/./b", "/a\x00b", "/\x01", "/a/\u007f", "/\uf000", "/\ufffd", "/a b", "/ü/日本", "/zookeeper/x", "/a/b/c/d/e", "/..a", "/a/b.")
	}
	if g.chance(3) {
		return pick(g, "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config")
	}
	if g.chance(20) { // what a sequence may have made
		return fmt.Sprintf("%s%010d", pick(g, "/a/s-", "/b/", "/c/s-"), g.rand.IntN(12))
	}
	return pick(g, "/a", "/b", "/c", "/a/x", "/a/y", "/b/x", "/a/x/1", "/a/x/2", "/ü")
}

func (g *generator) data() []byte {
	switch {
	case g.chance(10):
		return nil
	case g.chance(10):
		return []byte{}
	case g.chance(2):
		return make([]byte, 10_000)
	}
	return []byte(pick(g, "1", "22", "333"))
}

func (g *generator) version() int32 { return pick[int32](g, -1, -1, -1, 0, 0, 1, 1, 2, 3, 4, -2) }

func (g *generator) acl() zkfs.ACL {
	if g.chance(60) {
		return zkfs.Open()
	}
	if g.chance(4) {
		return nil
	}
	acl := zkfs.ACL{}
	for range g.rand.IntN(4) {
		id := pick(g, zkfs.Anyone, zkfs.AuthIDs, zkfs.Digest("u1", "p"), zkfs.Digest("u2", "p"),
			zkfs.Identity{Scheme: "ip", ID: "127.0.0.1"}, zkfs.Identity{Scheme: "ip", ID: "127.0.0.0/8"},
			zkfs.Identity{Scheme: "ip", ID: "10.0.0.0/8"})
		if g.chance(5) {
			id = pick(g, zkfs.Identity{Scheme: "world", ID: "x"}, zkfs.Identity{Scheme: "digest", ID: "nocolon"},
				zkfs.Identity{Scheme: "digest", ID: "a:b:c"}, zkfs.Identity{Scheme: "digest", ID: "a:"}, zkfs.Identity{Scheme: "digest", ID: ":a"},
				zkfs.Identity{Scheme: "ip", ID: "1.2.3"}, zkfs.Identity{Scheme: "ip", ID: "1.2.3.4/33"}, zkfs.Identity{Scheme: "ip", ID: "::1"},
				zkfs.Identity{Scheme: "ip", ID: "127.0.0.1/0"}, zkfs.Identity{Scheme: "ip", ID: "127.0.00.+1/+8"}, zkfs.Identity{Scheme: "x509", ID: "CN=a"},
				zkfs.Identity{Scheme: "sasl", ID: "a"}, zkfs.Identity{Scheme: "super", ID: ""}, zkfs.Identity{Scheme: "", ID: ""})
		}
		acl = append(acl, zkfs.Entry{Perms: pick(g, zkfs.AllPerms, zkfs.AllPerms, zkfs.Perms(g.rand.IntN(33)), zkfs.Read), Identity: id})
	}
	return acl
}

func (g *generator) sequenced() string { return pick(g, "/a/s-", "/b/", "/c/s-", "/a/x/") }

// create makes one of the requests that create. The flags of a TTL node without
// a TTL node's request, and the reverse, stay out unless they are harmless: a
// createTTL for a znode that has none ends a real server.
func (g *generator) create() (zkdev.Op, []byte) {
	path, flags := g.path(), pick[int32](g, 0, 0, 0, 1, 1, 4)
	if g.chance(40) {
		path, flags = g.sequenced(), pick[int32](g, 2, 3)
	}
	switch {
	case g.chance(3):
		flags = pick[int32](g, -1, 5, 6, 7, 100)
	case g.chance(10):
		return zkdev.OpCreateContainer, createBody(path, g.data(), g.acl(), 4)
	case g.chance(10):
		flags := pick[int32](g, 5, 5, 6)
		if flags == 6 {
			path = g.sequenced()
		}
		return zkdev.OpCreateTTL, createTTLBody(path, g.data(), g.acl(), flags, pick[int64](g, 1<<39, 1<<39, 1<<40-1, 1<<40, 0, -1))
	}
	return pick(g, zkdev.OpCreate, zkdev.OpCreate, zkdev.OpCreate2), createBody(path, g.data(), g.acl(), flags)
}

func (g *generator) change() (zkdev.Op, []byte) {
	switch g.rand.IntN(6) {
	case 0:
		return zkdev.OpDelete, versionBody(g.path(), g.version())
	case 1:
		return zkdev.OpSetData, setBody(g.path(), g.data(), g.version())
	case 2:
		return zkdev.OpDelete, versionBody(g.path(), -1)
	}
	return g.create()
}

func (g *generator) multi() []byte {
	var parts []part
	for range g.rand.IntN(6) {
		p := part{op: zkdev.OpCheck, body: versionBody(g.path(), g.version())}
		if g.chance(80) {
			p.op, p.body = g.change()
		}
		if p.op == zkdev.OpSetData && g.chance(30) {
			p.body = setBody(g.path(), g.data(), -1)
		}
		parts = append(parts, p)
	}
	return multiBody(parts...)
}

func (g *generator) multiRead() []byte {
	var parts []part
	for range g.rand.IntN(5) {
		parts = append(parts, part{pick(g, zkdev.OpGetData, zkdev.OpGetChildren), watchBody(g.path(), false)})
	}
	return multiBody(parts...)
}

func (g *generator) paths() []string {
	var all []string
	for range g.rand.IntN(4) {
		all = append(all, pick(g, "/a", "/b", "/c", "/a/x", "/none"))
	}
	return all
}

func known(op zkdev.Op) bool { return !strings.HasPrefix(op.String(), "request(") }

func (g *generator) step() step {
	st := step{session: g.rand.IntN(sessions)}
	g.sent++
	if g.chance(3) {
		st.kind = pipeline
		for range 1 + g.rand.IntN(8) {
			b := step{session: st.session}
			switch g.rand.IntN(4) {
			case 0:
				b.op, b.body = zkdev.OpGetData, watchBody(g.path(), g.chance(50))
			case 1:
				b.op, b.body = zkdev.OpGetChildren2, watchBody(pick(g, "/a", "/b", "/"), g.chance(50))
			default:
				b.op, b.body = g.change()
			}
			st.burst = append(st.burst, b)
		}
		return st
	}
	switch n := g.rand.IntN(1000); {
	case n < 8:
		st.kind = pick(g, reconnect, reconnect, reconnect, stranger, newSession)
		return st
	case n < 10:
		st.op = pick[zkdev.Op](g, 10, 23, 50, 99, 108, -3, 0, 1000)
		st.body = pathBody("/a")
	case n < 40:
		st.op = zkdev.OpAuth
		st.body = authBody(pick(g, "digest", "digest", "digest", "digest", "digest", "digest", "ip", "nosuch", "x509", "sasl"),
			pick(g, "u1:p", "u2:p", "u1:wrong", "nocolon", "a:b:c", "super:test"))
	case n < 400:
		st.op, st.body = g.change()
	case n < 480:
		st.op, st.body = zkdev.OpMulti, g.multi()
	case n < 500:
		st.op, st.body = zkdev.OpMultiRead, g.multiRead()
	case n < 590:
		st.op, st.body = zkdev.OpExists, watchBody(g.path(), g.chance(50))
	case n < 680:
		st.op, st.body = zkdev.OpGetData, watchBody(g.path(), g.chance(50))
	case n < 770:
		st.op, st.body = pick(g, zkdev.OpGetChildren, zkdev.OpGetChildren2), watchBody(pick(g, g.path(), "/a", "/"), g.chance(50))
	case n < 800:
		st.op, st.body = zkdev.OpGetACL, pathBody(g.path())
	case n < 840:
		st.op, st.body = zkdev.OpSetACL, setACLBody(g.path(), g.acl(), g.version())
	case n < 850:
		st.op, st.body = zkdev.OpSync, pathBody(g.path())
	case n < 865:
		st.op, st.body = zkdev.OpGetEphemerals, pathBody(pick(g, "", "/", "/a", "/a/", " ", "/b"))
	case n < 880:
		st.op, st.body = zkdev.OpGetAllChildrenNumber, pathBody(pick(g, "/", "/a", g.path()))
	case n < 890:
		st.op = zkdev.OpWhoAmI
	case n < 920:
		st.op, st.body = zkdev.OpAddWatch, versionBody(pick(g, "/", "/a", "/a/x", g.path()), pick[int32](g, 0, 0, 1, 1, 2))
	case n < 960:
		st.op, st.body = pick(g, zkdev.OpRemoveWatches, zkdev.OpRemoveWatches, zkdev.OpCheckWatches), versionBody(pick(g, "/", "/a", "/a/x", "rel", "re/l", g.path()), pick[int32](g, 1, 2, 3, 3, 4))
	case n < 980:
		g.sent = max(g.sent, 1)
		since := pick[int64](g, 0, 1<<62)
		st.since = pick(g, 0, int64(g.rand.IntN(g.sent)), int64(max(0, g.sent-g.rand.IntN(50))))
		if g.chance(50) {
			st.op, st.body = zkdev.OpSetWatches, watchesBody(since, g.paths(), g.paths(), g.paths())
		} else {
			st.op, st.body = zkdev.OpSetWatches2, watchesBody(since, g.paths(), g.paths(), g.paths(), g.paths(), g.paths())
		}
	case n < 985:
		st.op = pick(g, zkdev.OpReconfig, zkdev.OpDeleteContainer)
		st.body = body(func(w *jute.Writer) { w.String("/a"); w.String(""); w.Int32(-1); w.Int64(-1) })
	default:
		st.op = zkdev.OpPing
	}
	if g.chance(2) && len(st.body) > 0 && st.op != zkdev.OpAuth {
		st.cut = 1 + g.rand.IntN(len(st.body))
	}
	return st
}
