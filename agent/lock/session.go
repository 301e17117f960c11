package lock

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// A sessionKey is what policies ask of a session.
type sessionKey struct{ timeout, tick time.Duration }

// serves reports whether a policy can have its locks on such a session: a longer
// tick makes the lease shorter, and is as safe.
func (k sessionKey) serves(p *layout.Policy) bool {
	return k.timeout == p.SessionTimeout && k.tick >= p.TickTime
}

// A session is a ZooKeeper session with the claims that stand on it, the
// credential that alone may write to them, and the heartbeats that keep them.
type session struct {
	*zkconn.Session
	key      sessionKey
	borrowed bool // Config.Session: not ours to close
	log      hclog.Logger
	owners   []zkfs.Identity // of its contenders: digest:lf-<guid>
	sole     bool            // nobody else can be one of them
	usualACL zkfs.ACL        // of its contenders, where the policy says nothing
	opened   zkconn.Instant
	batcher  *batcher
	policies *policyReader

	refs int // attempts, holds and clean-ups under way; guarded by Client.mu

	flights sync.WaitGroup // what batcher and policies have sent

	mu          sync.Mutex
	homes       map[zkfs.Path]*home
	inventories map[string]bool // of these layouts, the session was put in or could not be
	claims      []*claim        // each knows its place in it
	idleSince   zkconn.Instant  // when the last claim went
	lastBeat    zkconn.Instant  // when the latest acknowledged heartbeat was sent
	answered    zkconn.Instant  // when the latest acknowledgement came
	nextBeat    zkconn.Instant
	due         zkconn.Instant // when the keeper looks around next
	outstanding map[*beat]struct{}
	beaten      chan struct{} // closed and made anew whenever a heartbeat is acknowledged
	kick        chan struct{} // wakes the keeper
	ended       chan struct{} // closed when the keeper has ended
}

// credentialPrefix begins the user names of sessions' own credentials.
const credentialPrefix = "lf-"

// A credential is one that a session makes for itself.
type credential struct{ user, password string }

func newCredential() credential {
	return credential{credentialPrefix + recipe.NewGUID(), rand.Text()}
}

func (c credential) auth() zkconn.Auth { return zkconn.Digest(c.user, c.password) }

// newSession starts the keeper of zs, which has the credential own; nil where the
// servers take none: there the contenders belong to whatever identity the session
// has. Life ends with the Client; the caller waits for ended.
func newSession(life context.Context, zs *zkconn.Session, key sessionKey, own *credential, borrowed bool, log hclog.Logger) *session {
	s := &session{
		Session: zs, key: key, borrowed: borrowed, log: log,
		sole:        own != nil,
		opened:      zkconn.Now(),
		homes:       make(map[zkfs.Path]*home),
		inventories: make(map[string]bool),
		outstanding: make(map[*beat]struct{}),
		beaten:      make(chan struct{}),
		kick:        make(chan struct{}, 1),
		ended:       make(chan struct{}),
	}
	s.batcher = newBatcher(zs, life, &s.flights)
	s.policies = newPolicyReader(zs, life, &s.flights)
	if !borrowed {
		// The answer to its opening was the first proof of the lease.
		s.nextBeat = s.opened.Add(min(s.every(), s.Deadline().Sub(s.opened)/killShare))
	}
	if own != nil {
		s.owners = []zkfs.Identity{zkfs.Digest(own.user, own.password)}
	} else if s.owners = zs.Identities(); len(s.owners) == 0 {
		s.owners = []zkfs.Identity{zkfs.Anyone}
	}
	s.usualACL = zkfs.ReadOnly().With(s.owners...)
	go s.keep(life)
	return s
}

// alive reports whether the session is not over.
func (s *session) alive() bool {
	select {
	case <-s.Done():
		return false
	default:
		return true
	}
}

// add puts a claim under the keeper's care, from when its nodes are known.
func (s *session) add(cl *claim) {
	s.mu.Lock()
	cl.place = len(s.claims)
	s.claims = append(s.claims, cl)
	s.mu.Unlock()
	s.wakeBefore(zkconn.Now().Add(s.every()))
}

// remove ends the keeper's care, before the claim's nodes are deleted.
func (s *session) remove(cl *claim) {
	s.mu.Lock()
	if last := len(s.claims) - 1; cl.place >= 0 {
		s.claims[cl.place] = s.claims[last]
		s.claims[cl.place].place = cl.place
		s.claims[last] = nil
		s.claims, cl.place = s.claims[:last], -1
	}
	if len(s.claims) == 0 {
		s.idleSince = zkconn.Now()
	}
	s.mu.Unlock()
}

// wakeBefore wakes the keeper unless it looks around before that time anyway:
// waking it for each short hold would cost more than the hold.
func (s *session) wakeBefore(t zkconn.Instant) {
	s.mu.Lock()
	soon := s.due <= t
	s.mu.Unlock()
	if !soon {
		s.wakeKeeper()
	}
}

func (s *session) wakeKeeper() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}
