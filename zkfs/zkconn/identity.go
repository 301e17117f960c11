package zkconn

import (
	"crypto/tls"
	"crypto/x509"
	"strings"

	"github.com/lockform/lockform/zkfs"
)

// Identities returns whom the session authenticates as, in the schemes where
// that is known without asking: digest and x509.
func (s *Session) Identities() []zkfs.Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return identities(s.auth, s.cfg.TLS)
}

// Identities returns whom a session with this configuration would authenticate
// as, in the schemes where that is known offline: digest and x509.
func (c Config) Identities() []zkfs.Identity { return identities(c.Auth, c.TLS) }

func identities(auth []Auth, cfg *tls.Config) []zkfs.Identity {
	var ids []zkfs.Identity
	for _, a := range auth {
		user, password, ok := strings.Cut(string(a.Secret), ":")
		if a.Scheme == "digest" && ok {
			ids = append(ids, zkfs.Digest(user, password))
		}
	}
	if cfg != nil && len(cfg.Certificates) > 0 {
		c := cfg.Certificates[0]
		leaf := c.Leaf
		if leaf == nil && len(c.Certificate) > 0 {
			leaf, _ = x509.ParseCertificate(c.Certificate[0])
		}
		if leaf != nil {
			if id, err := zkfs.X509(leaf); err == nil {
				ids = append(ids, id)
			}
		}
	}
	return ids
}
