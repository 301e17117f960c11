package zkconn

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lockform/lockform/zkfs"
)

// Config says how to reach an ensemble. Only Servers is required.
type Config struct {
	// Servers is a connect string, "host:port,host:port/chroot". Names are
	// resolved anew for each connection. Without a port it is 2181.
	Servers string
	// SessionTimeout is asked of the server, which may adjust it. Zero means 15s.
	SessionTimeout time.Duration
	// ConnectTimeout limits Open, and each later attempt to reach a server, from
	// the first packet to the session. Zero means 5s.
	ConnectTimeout time.Duration
	// TickTime is the servers' tickTime, on which the margin of the lease
	// depends. Zero means 3s, ZooKeeper's own.
	TickTime time.Duration
	// Auth is sent at the beginning of each connection, each credential once.
	Auth []Auth
	// OwnAuth is a credential that was made for this session alone, and goes with
	// the others on each connection; none without a Scheme. When the session is
	// asked for it is sent along, before the other side has shown that it is a
	// ZooKeeper server, which no lasting secret should be.
	OwnAuth Auth
	// Ahead names znodes whose data are read, and watched, by the packet that asks
	// for the session; see Session.Ahead.
	Ahead []zkfs.Path
	// TLS is used for every connection; nil means plain TCP. Without a
	// ServerName the name in Servers is verified.
	TLS *tls.Config
	// Dial makes a connection to one server, "host:port", on which TLS is still
	// to be spoken. Nil means TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Logger gets debug messages, never a credential. Nil means silence.
	Logger hclog.Logger
}

// Auth is a credential: a scheme and its secret. It prints as the scheme alone.
type Auth struct {
	Scheme string // such as "digest"
	Secret []byte // for digest "user:password"
}

// Digest returns the credential of a user of the digest scheme.
func Digest(user, password string) Auth { return Auth{"digest", []byte(user + ":" + password)} }

// String returns the scheme, with the secret left out.
func (a Auth) String() string { return a.Scheme + ":…" }

// GoString returns what String does, so that %#v shows no secret either.
func (a Auth) GoString() string { return a.String() }

// Equal reports whether both are the same credential.
func (a Auth) Equal(b Auth) bool { return a.Scheme == b.Scheme && bytes.Equal(a.Secret, b.Secret) }

const defaultPort = 2181

// ParseServers reads a connect string: servers separated by commas, each
// "host:port", "host", "[v6]:port" or "[v6]", and a chroot after the last. The
// hosts come back with their ports. The chroot is "" when none is written, and
// Root for "/".
func ParseServers(s string) (hosts []string, chroot zkfs.Path, err error) {
	list := s
	if i := strings.IndexByte(s, '/'); i >= 0 {
		list = s[:i]
		if chroot, err = zkfs.ParsePath(s[i:]); err != nil {
			return nil, "", fmt.Errorf("the chroot in %q: %w", s, err)
		}
	}
	for _, part := range strings.Split(list, ",") {
		host, err := parseHost(strings.TrimSpace(part))
		if err != nil {
			return nil, "", fmt.Errorf("the connect string %q: %w", s, err)
		}
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts, chroot, nil
}

func parseHost(s string) (string, error) {
	host, port := s, strconv.Itoa(defaultPort)
	switch {
	case s == "":
		return "", errors.New(`a server is missing; write it as "host:port"`)
	case strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]"):
		host = s[1 : len(s)-1]
	case strings.Contains(s, ":"):
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			if net.ParseIP(s) != nil {
				return "", fmt.Errorf("write the address %q in brackets, as [%s]:%d", s, s, defaultPort)
			}
			return "", fmt.Errorf(`%q is not "host:port"`, s)
		}
	}
	if host == "" || strings.ContainsAny(host, " \t[]@\"'\\") {
		return "", fmt.Errorf("%q has no valid host name", s)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("%q has no valid port; it is a number from 1 to 65535", s)
	}
	return net.JoinHostPort(host, port), nil
}

// withDefaults fills in what is zero and refuses what cannot work.
func (c Config) withDefaults() (Config, error) {
	for _, d := range []struct {
		value *time.Duration
		name  string
		zero  time.Duration
	}{
		{&c.SessionTimeout, "session timeout", 15 * time.Second},
		{&c.ConnectTimeout, "connect timeout", 5 * time.Second},
		{&c.TickTime, "tick time", 3 * time.Second},
	} {
		switch {
		case *d.value == 0:
			*d.value = d.zero
		case *d.value < time.Millisecond || *d.value > 1<<31*time.Millisecond-1:
			return c, fmt.Errorf("the %s %v is not possible", d.name, *d.value)
		}
	}
	var once []Auth
	for _, a := range c.Auth {
		if a.Scheme == "" {
			return c, errors.New("a credential has no scheme")
		}
		if !slices.ContainsFunc(once, a.Equal) {
			once = append(once, a)
		}
	}
	c.Auth = once
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		}
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	return c, nil
}
