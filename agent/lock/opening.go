package lock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// An opening is a session that is being opened, for all who want it. It goes on
// for as long as one of them waits, each for his own time.
type opening struct {
	cancel context.CancelCauseFunc
	done   chan struct{} // closed, with Client.mu held, when s or err is known

	waiting int // guarded by Client.mu
	s       *session
	err     error
}

// defaultKey is what a session without a policy asks for.
func (c *Client) defaultKey() sessionKey {
	p := layout.DefaultPolicy()
	k := sessionKey{c.cfg.Conn.SessionTimeout, c.cfg.Conn.TickTime}
	if k.timeout == 0 {
		k.timeout = p.SessionTimeout
	}
	if k.tick == 0 {
		k.tick = p.TickTime
	}
	return k
}

// use returns the session that a policy asks for, opening it where there is
// none; with nil, any. The caller must call done with it.
func (c *Client) use(ctx context.Context, p *layout.Policy) (*session, error) {
	key := c.defaultKey()
	if p != nil {
		key = sessionKey{p.SessionTimeout, p.TickTime}
	}
	c.mu.Lock()
	s, err := c.existing(p)
	if s == nil && err == nil {
		err = context.Cause(ctx)
	}
	if s != nil || err != nil {
		c.mu.Unlock()
		return s, err
	}
	o := c.openings[key]
	if o == nil {
		o = &opening{done: make(chan struct{})}
		c.openings[key] = o
		var within context.Context
		within, o.cancel = context.WithCancelCause(c.open)
		c.work.Go(func() { c.carryOut(within, key, o) })
	}
	o.waiting++
	c.mu.Unlock()
	select {
	case <-o.done:
		return o.s, o.err
	case <-ctx.Done():
		return c.giveUp(context.Cause(ctx), key, o)
	}
}

// existing returns a session that serves the policy, if there is one. c.mu is
// held.
func (c *Client) existing(p *layout.Policy) (*session, error) {
	if c.closed {
		return nil, ErrClosed
	}
	s := c.recent
	if p != nil && c.cfg.Session == nil {
		s = c.serving(p)
	}
	if s == nil || !s.alive() {
		if c.cfg.Session != nil && s != nil {
			return nil, s.Err()
		}
		return nil, nil
	}
	s.refs++
	c.setRecent(s)
	return s, nil
}

// serving returns a session on which the policy's locks can be taken, the one
// used last where it can. c.mu is held.
func (c *Client) serving(p *layout.Policy) *session {
	if c.recent != nil && c.recent.key.serves(p) && c.recent.alive() {
		return c.recent
	}
	for key, s := range c.sessions {
		if key.serves(p) && s.alive() {
			return s
		}
	}
	return nil
}

// carryOut opens the session and hands it to those who still wait.
func (c *Client) carryOut(ctx context.Context, key sessionKey, o *opening) {
	defer o.cancel(nil)
	s, err := c.begin(ctx, key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.openings[key] == o {
		delete(c.openings, key)
	}
	o.err = err
	defer close(o.done)
	switch {
	case err != nil:
		return
	case c.closed:
		o.err = ErrClosed
		c.work.Go(func() { c.shut(c.life, s) })
		return
	}
	old := c.sessions[key]
	c.sessions[key] = s
	c.unshut[s] = struct{}{}
	o.s = s
	s.refs += o.waiting
	c.setRecent(s)
	if old != nil && old.refs == 0 {
		c.retire(old)
	}
}

// giveUp ends a caller's waiting. The last one ends the opening, and waits a
// little for what it says of the servers.
func (c *Client) giveUp(cause error, key sessionKey, o *opening) (*session, error) {
	c.mu.Lock()
	select {
	case <-o.done:
		c.mu.Unlock()
		return o.s, o.err
	default:
	}
	o.waiting--
	last := o.waiting == 0
	if last {
		o.cancel(cause)
		delete(c.openings, key)
	}
	c.mu.Unlock()
	if last {
		select {
		case <-o.done:
			if o.err != nil {
				return nil, o.err
			}
		case <-time.After(leaveGrace):
		}
	}
	return nil, cause
}

// begin opens a session, or takes Config.Session, and gives it its credential. A
// server that has digests switched off ends a session over it.
func (c *Client) begin(ctx context.Context, key sessionKey) (*session, error) {
	own := newCredential()
	if zs := c.cfg.Session; zs != nil {
		if err := zs.AddAuth(ctx, own.auth()); err != nil {
			return nil, fmt.Errorf("the session's own credential: %w", err)
		}
		return newSession(c.life, zs, key, &own, true, c.log), nil
	}
	conn := c.cfg.Conn
	conn.SessionTimeout, conn.TickTime, conn.Ahead = key.timeout, key.tick, c.cfg.Ahead
	c.mu.Lock()
	digests := !c.noDigests
	c.mu.Unlock()
	if digests {
		conn.OwnAuth = own.auth()
		zs, err := zkconn.Open(ctx, conn)
		if err == nil {
			return newSession(c.life, zs, key, &own, false, c.log), nil
		}
		if !errors.Is(err, zkfs.ErrAuthFailed) {
			return nil, err
		}
		conn.OwnAuth = zkconn.Auth{}
	}
	zs, err := zkconn.Open(ctx, conn)
	if err != nil {
		return nil, err
	}
	if digests {
		c.mu.Lock()
		c.noDigests = true
		c.mu.Unlock()
		c.log.Warn("the server takes no digests: others of the same identity can write to our contenders")
	}
	return newSession(c.life, zs, key, nil, false, c.log), nil
}
