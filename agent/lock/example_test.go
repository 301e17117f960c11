package lock_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// exampleServer starts a ZooKeeper in memory with declared locks.
func exampleServer(policies map[zkfs.Path]layout.Policy) (servers string, stop func()) {
	server, err := zkdev.Start(zkdev.Config{})
	if err != nil {
		log.Fatal(err)
	}
	s, err := zkconn.Open(context.Background(), zkconn.Config{Servers: server.Addr()})
	if err != nil {
		log.Fatal(err)
	}
	for path, p := range policies {
		data, err := layout.Record{Layout: "example", Kind: layout.KindLock, Policy: &p}.Encode()
		if err != nil {
			log.Fatal(err)
		}
		if _, err := s.Create(context.Background(), path, data, zkfs.Open(), zkfs.Persistent); err != nil {
			log.Fatal(err)
		}
	}
	return server.Addr(), func() {
		s.Close(context.Background())
		server.Close()
	}
}

// A lock is taken, its context and token are given to the work, and it is given
// up whatever happens.
func ExampleClient_Acquire() {
	servers, stop := exampleServer(map[zkfs.Path]layout.Policy{"/ledger": layout.DefaultPolicy()})
	defer stop()
	ctx := context.Background()
	c, err := lock.Open(ctx, lock.Config{Conn: zkconn.Config{Servers: servers}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)

	h, err := c.Acquire(ctx, "/ledger", lock.Options{
		Wait:   lock.WaitFor(10 * time.Second),
		OnLost: func(err error) { log.Printf("stop at once: %v", err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Release(ctx)

	work := func(ctx context.Context, token int64) error {
		fmt.Println("working:", ctx.Err() == nil, token > 0)
		return nil
	}
	if err := work(h.Context(), h.Token()); err != nil {
		log.Print(err)
	}
	fmt.Println(h.Mode(), h.State())
	// Output:
	// working: true true
	// exclusive held
}

// Whoever does not want to wait is told at once.
func ExampleClient_TryAcquire() {
	servers, stop := exampleServer(map[zkfs.Path]layout.Policy{"/ledger": layout.DefaultPolicy()})
	defer stop()
	ctx := context.Background()
	c, err := lock.Open(ctx, lock.Config{Conn: zkconn.Config{Servers: servers}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)

	first, err := c.TryAcquire(ctx, "/ledger", lock.Options{Owner: "alice"})
	if err != nil {
		log.Fatal(err)
	}
	defer first.Release(ctx)

	_, err = c.TryAcquire(ctx, "/ledger", lock.Options{Owner: "bob"})
	fmt.Println(errors.Is(err, lock.ErrNotAcquired))
	q, err := c.Queue(ctx, "/ledger")
	if err != nil {
		log.Fatal(err)
	}
	for _, holder := range q.Holders() {
		fmt.Println("held by", holder.Owner)
	}
	// Output:
	// true
	// held by alice
}

// Several locks are taken all or none, in an order in which no two clients can
// wait for each other.
func ExampleClient_AcquireAll() {
	first, second := 1, 2
	from, to := layout.DefaultPolicy(), layout.DefaultPolicy()
	from.Rank, to.Rank = &second, &first
	servers, stop := exampleServer(map[zkfs.Path]layout.Policy{"/from": from, "/to": to})
	defer stop()
	ctx := context.Background()
	c, err := lock.Open(ctx, lock.Config{Conn: zkconn.Config{Servers: servers}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)

	held, err := c.AcquireAll(ctx, []zkfs.Path{"/from", "/to"}, lock.Options{Owner: "alice"})
	if err != nil {
		log.Fatal(err)
	}
	for _, h := range held {
		defer h.Release(ctx)
		fmt.Println(h.Path())
	}
	fmt.Println("the lower rank first:", held[1].Token() < held[0].Token())
	// Output:
	// /from
	// /to
	// the lower rank first: true
}
