package zkdev_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// What this test wants was measured on Debian's 3.8.0, started from a snapshot
// whose parent was patched to have had 2³¹−3 children: the number sticks at
// 2³¹−1, the second create of that name is refused, and within a multi it runs
// on below zero. cversion, twice that number less the children, overflows.
func TestSequenceAtTheEndOfInt32(t *testing.T) {
	s := serve(t, zkdev.Config{})
	c := dial(t, s.Addr(), wait)
	create := func(path string, flags int32) {
		t.Helper()
		if _, err := c.Create(path, nil, flags, open); err != nil {
			t.Fatal(err)
		}
	}
	create("/q", 0)
	create("/q/x", 0)
	if err := s.SetSequence("/q", 2147483645); err != nil {
		t.Fatal(err)
	}
	var got []string
	note := func(what ...any) {
		_, st, err := c.Exists("/q")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(append(what, " cversion ", st.Cversion, " children ", st.NumChildren)...))
	}
	note("start")
	for range 4 {
		path, err := c.Create("/q/n-", nil, zk.FlagSequence, open)
		if err != nil && !errors.Is(err, zk.ErrNodeExists) {
			t.Fatal(err)
		}
		note(path, err)
	}
	m := &zk.CreateRequest{Path: "/q/m-", Acl: open, Flags: zk.FlagSequence}
	res, err := c.Multi(m, m, m)
	if err != nil {
		t.Fatal(err)
	}
	note(res[0].String, " ", res[1].String, " ", res[2].String)
	create("/q/plain", 0)
	note("plain")
	if err := c.Delete("/q/plain", -1); err != nil {
		t.Fatal(err)
	}
	note("deleted")
	want := []string{
		"start cversion -7 children 1",
		"/q/n-2147483645<nil> cversion -6 children 2",
		"/q/n-2147483646<nil> cversion -5 children 3",
		"/q/n-2147483647<nil> cversion -6 children 4",
		"zk: node already exists cversion -6 children 4",
		"/q/m-2147483647 /q/m--2147483648 /q/m--2147483647 cversion -9 children 7",
		"plain cversion -10 children 8",
		"deleted cversion -9 children 7",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestSetSequence(t *testing.T) {
	s := serve(t, zkdev.Config{})
	if err := s.SetSequence("/none", 1); !errors.Is(err, zkfs.ErrNoNode) {
		t.Errorf("of no znode: %v", err)
	}
	for _, n := range []int64{-1, 1 << 31} {
		if err := s.SetSequence("/", n); err == nil {
			t.Errorf("to %d: no error", n)
		}
	}
	c := dial(t, s.Addr(), wait)
	if err := s.SetSequence("/", 41); err != nil {
		t.Fatal(err)
	}
	if p, err := c.Create("/s-", nil, zk.FlagSequence, open); err != nil || p != "/s-0000000041" {
		t.Errorf("got %q, %v", p, err)
	}
}

// Deleting and creating the parent anew in one multi starts the numbers at 0.
func TestSequenceBelongsToTheParentItself(t *testing.T) {
	s := serve(t, zkdev.Config{})
	c := dial(t, s.Addr(), wait)
	seq := &zk.CreateRequest{Path: "/p/n-", Acl: open, Flags: zk.FlagSequence}
	parent := &zk.CreateRequest{Path: "/p", Acl: open}
	if _, err := c.Multi(parent, seq, seq); err != nil {
		t.Fatal(err)
	}
	res, err := c.Multi(
		&zk.DeleteRequest{Path: "/p/n-0000000000", Version: -1},
		&zk.DeleteRequest{Path: "/p/n-0000000001", Version: -1},
		&zk.DeleteRequest{Path: "/p", Version: -1},
		parent, seq)
	if err != nil || res[4].String != "/p/n-0000000000" {
		t.Fatalf("%+v %v", res, err)
	}
	// A refused multi takes its numbers back.
	if _, err := c.Multi(seq, &zk.DeleteRequest{Path: "/none", Version: -1}); !errors.Is(err, zk.ErrNoNode) {
		t.Fatal(err)
	}
	if p, err := c.Create("/p/n-", nil, zk.FlagSequence, open); err != nil || p != "/p/n-0000000001" {
		t.Errorf("got %q, %v", p, err)
	}
}
