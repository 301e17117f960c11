package zkconn

import (
	"context"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// A Session is one ZooKeeper session. Its methods may be called concurrently.
// Paths in and out are below the chroot. Every method honours its context and
// returns at its end.
type Session struct{}

// Open reaches a server and returns when a session is established, the
// credentials are accepted and the chroot is known to exist. It tries all
// servers, again and again, for ConnectTimeout at most; the error then says
// what each of them answered. Close must be called on the Session.
func Open(ctx context.Context, cfg Config) (*Session, error) {
	return nil, zkfs.ErrUnimplemented
}

// ID returns the session id, the EphemeralOwner of what the session creates.
func (s *Session) ID() int64 { return 0 }

// Timeout returns the session timeout that the server granted.
func (s *Session) Timeout() time.Duration { return 0 }

// Server returns the "host:port" that the session is connected to now, ""
// when it is not.
func (s *Session) Server() string { return "" }

// Identities returns whom the session authenticates as, in the schemes where
// that is known without asking: digest and x509.
func (s *Session) Identities() []zkfs.Identity { return nil }

// Done is closed when the session is over: expired, closed, or refused in its
// authentication. Being disconnected is not being over.
func (s *Session) Done() <-chan struct{} { return nil }

// Err says why the session is over, nil while it is not. It is
// zkfs.ErrSessionOver, or zkfs.ErrAuthFailed, with the circumstances.
func (s *Session) Err() error { return nil }

// Epoch counts the connections of the session, from 1; it rises with each.
func (s *Session) Epoch() uint64 { return 0 }

// Close ends the session on the server, which deletes its ephemerals, and waits
// for everything that was started. With a server that does not answer it gives
// up at the end of ctx, or after two seconds; the error says that the server
// will find out by itself when the session timeout has passed.
func (s *Session) Close(ctx context.Context) error { return nil }
