package zkconn

import (
	"context"

	"github.com/lockform/lockform/zkfs"
)

// A greeting is what goes out together with the request for a session: a server
// that has not answered that yet keeps the packets behind it for later, and one
// that refuses forgets them. So the first requests of a session cost no round
// trip of their own.
type greeting struct {
	wire  *wire
	auth  *Auth                    // Config.OwnAuth
	first *request                 // whose answer shows that the session can be used
	ahead map[zkfs.Path]*aheadRead // of Config.Ahead what nobody has asked for yet
	all   []*request
}

// An aheadRead is a Peek that is under way.
type aheadRead struct {
	*request
	peek *Peek
}

// greeting makes what greets a server, nil when there is a session already.
func (s *Session) greeting() *greeting {
	if s.ID() != 0 {
		return nil
	}
	g := &greeting{ahead: make(map[zkfs.Path]*aheadRead, len(s.cfg.Ahead))}
	if s.cfg.OwnAuth.Scheme != "" {
		g.auth = &s.cfg.OwnAuth
		g.all = append(g.all, s.authRequest(*g.auth))
	}
	if s.chroot != zkfs.Root || g.auth == nil {
		root, _ := s.pathRequest(opExists, zkfs.Root, unwatched)
		g.all = append(g.all, root)
	}
	g.first = g.all[len(g.all)-1]
	for _, path := range s.cfg.Ahead {
		p := &Peek{Path: path, Part: zkfs.PartData, Watch: true}
		if r, err := s.peekRequest(p); err == nil && g.ahead[path] == nil {
			g.ahead[path] = &aheadRead{r, p}
			g.all = append(g.all, r)
		}
	}
	return g
}

// awaitRoot reports whether the chroot exists, of which the server's own root needs
// no proof, and returns after the answers to all credentials.
func (s *Session) awaitRoot(ctx context.Context) (bool, error) {
	s.mu.Lock()
	g := s.greeted
	s.mu.Unlock()
	if len(s.cfg.Auth) == 0 && s.came(ctx, g, g.first) {
		return true, nil
	}
	_, there, err := s.Exists(ctx, zkfs.Root)
	return there, err
}

// Ahead returns what was read of a znode of Config.Ahead, with its watch, to the
// first who asks; nil where there is nothing or nothing good.
func (s *Session) Ahead(ctx context.Context, path zkfs.Path) *Peek {
	s.mu.Lock()
	var r *aheadRead
	g := s.greeted
	if g != nil {
		r = g.ahead[path]
		delete(g.ahead, path)
	}
	s.mu.Unlock()
	if r == nil || !s.came(ctx, g, r.request) {
		return nil
	}
	if r.peek.take(&r.reply); r.peek.Err != nil {
		return nil
	}
	return r.peek
}

// came waits for the answer to what greeted the server, and reports whether it is
// there and a good one.
func (s *Session) came(ctx context.Context, g *greeting, r *request) bool {
	_, broken, err := s.wait(ctx, g.wire, []*request{r})
	return broken == nil && err == nil && r.reply.code == codeOK
}
