package zkdev_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// A session that has set a watch sees the event before it can read what caused
// it, however fast it asks.
func TestEventComesBeforeNewerData(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		writer, reader := newWire(t, e.Addr), newWire(t, e.Addr)
		node := e.Chroot.Join("a").String()
		writer.call(t, zkdev.OpCreate, createBody(node, []byte("0"), zkfs.Open(), 0))
		reader.call(t, zkdev.OpGetData, watchBody(node, true))
		sets := make(chan error, 1)
		go func() {
			for i := 1; i <= 300; i++ {
				if _, err := writer.send(zkdev.OpSetData, setBody(node, []byte(strconv.Itoa(i)), -1)); err != nil {
					sets <- err
					return
				}
				if _, err := writer.packet(); err != nil {
					sets <- err
					return
				}
			}
			sets <- nil
		}()
		last := "0"
		for last != "300" {
			p, events := reader.call(t, zkdev.OpGetData, watchBody(node, true))
			data := string(p.body.Buffer())
			if data != last && len(events) == 0 {
				t.Fatalf("it read %s after %s without an event between", data, last)
			}
			last = data
		}
		if err := <-sets; err != nil {
			t.Fatal(err)
		}
	})
}

// What a persistent watch, a recursive one and a one-time watch see of the same
// changes.
func TestWatchModes(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		root := e.Chroot.Join("w").String()
		actor := newWire(t, e.Addr)
		actor.call(t, zkdev.OpCreate, createBody(root, nil, zkfs.Open(), 0))
		watchers := map[string]*wire{}
		for name, w := range map[string]struct {
			op   zkdev.Op
			body []byte
		}{
			"Persistent": {zkdev.OpAddWatch, versionBody(root, 0)},
			"Recursive":  {zkdev.OpAddWatch, versionBody(root, 1)},
			"Data":       {zkdev.OpGetData, watchBody(root, true)},
			"Children":   {zkdev.OpGetChildren2, watchBody(root, true)},
		} {
			watchers[name] = newWire(t, e.Addr)
			if p, _ := watchers[name].call(t, w.op, w.body); p.code != zkdev.OK {
				t.Fatal(p.code)
			}
		}
		for _, r := range []part{
			{zkdev.OpCreate, createBody(root+"/x", nil, zkfs.Open(), 0)},
			{zkdev.OpCreate, createBody(root+"/x/y", nil, zkfs.Open(), 0)},
			{zkdev.OpSetData, setBody(root+"/x/y", nil, -1)},
			{zkdev.OpSetData, setBody(root, nil, -1)},
			{zkdev.OpDelete, versionBody(root+"/x/y", -1)},
			{zkdev.OpDelete, versionBody(root+"/x", -1)},
			{zkdev.OpDelete, versionBody(root, -1)},
		} {
			if p, _ := actor.call(t, r.op, r.body); p.code != zkdev.OK {
				t.Fatal(p.code)
			}
		}
		const created, deleted, data, children = "created ", "deleted ", "data ", "children "
		names := []string{"", created, deleted, data, children}
		want := map[string][]string{
			"Persistent": {children + "", data + "", children + "", deleted + ""},
			"Recursive":  {created + "/x", created + "/x/y", data + "/x/y", data + "", deleted + "/x/y", deleted + "/x", deleted + ""},
			"Data":       {data + ""},
			"Children":   {children + ""},
		}
		for name, w := range watchers {
			_, events := w.call(t, zkdev.OpPing, nil)
			var got []string
			for _, e := range events {
				kind := e.body.Int32()
				e.body.Int32()
				got = append(got, names[kind]+e.body.String()[len(root):])
			}
			if !slices.Equal(got, want[name]) {
				t.Errorf("%s: %q, want %q", name, got, want[name])
			}
		}
	})
}

// Which containers and TTL nodes a server deletes by itself, and that it tells
// watches of it.
func TestReapingIsThatOfARealServer(t *testing.T) {
	t.Setenv("JAVA_TOOL_OPTIONS", "-Dznode.container.checkIntervalMs=300")
	for _, kind := range zktest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			addr := ""
			if kind == zktest.Real {
				addr = zktest.StartReal(t, zktest.RealConfig{}).Addr
			} else {
				addr = serve(t, zkdev.Config{TickTime: zktest.Tick, ReapInterval: 300 * time.Millisecond}).Addr()
			}
			w, watcher := newWire(t, addr), newWire(t, addr)
			for _, r := range []part{
				{zkdev.OpCreateContainer, createBody("/unused", nil, zkfs.Open(), 4)},
				{zkdev.OpCreateContainer, createBody("/in-use", nil, zkfs.Open(), 4)},
				{zkdev.OpCreate, createBody("/in-use/x", nil, zkfs.Open(), 0)},
				{zkdev.OpCreateTTL, createTTLBody("/long", nil, zkfs.Open(), 5, 100_000)},
				{zkdev.OpCreateTTL, createTTLBody("/parent", nil, zkfs.Open(), 5, 1)},
				{zkdev.OpCreate, createBody("/parent/x", nil, zkfs.Open(), 0)},
				// From here on in one transaction: nothing may be reaped between.
				{zkdev.OpMulti, multiBody(
					part{zkdev.OpCreate, createBody("/outer", nil, zkfs.Open(), 4)},
					part{zkdev.OpCreate, createBody("/outer/inner", nil, zkfs.Open(), 4)},
					part{zkdev.OpCreate, createBody("/outer/inner/x", nil, zkfs.Open(), 0)},
					part{zkdev.OpDelete, versionBody("/outer/inner/x", -1)},
					part{zkdev.OpCreateTTL, createTTLBody("/short", nil, zkfs.Open(), 5, 1)},
				)},
			} {
				if p, _ := w.call(t, r.op, r.body); p.code != zkdev.OK {
					t.Fatalf("%v: %d", r.op, p.code)
				}
			}
			watcher.call(t, zkdev.OpExists, watchBody("/outer", true))
			if p, err := watcher.packet(); err != nil || p.xid != -1 || p.body.Int32() != 2 {
				t.Fatalf("%+v %v, want the event of the deleted container", p, err)
			}
			p, _ := w.call(t, zkdev.OpGetChildren, watchBody("/", false))
			if got, want := sorted(p.body), []string{"in-use", "long", "parent", "unused", "zookeeper"}; !slices.Equal(got, want) {
				t.Errorf("left over: %q, want %q", got, want)
			}
		})
	}
}
