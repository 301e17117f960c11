package zkconn

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
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
			if name, err := distinguishedName(leaf.RawSubject); err == nil {
				ids = append(ids, zkfs.Identity{Scheme: "x509", ID: name})
			}
		}
	}
	return ids
}

// attribute is a part of a distinguished name, its value as it was encoded.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

type attributesSET []attribute // the suffix tells encoding/asn1 that it is a set

// attributeNames are those that X500Principal knows in its form RFC2253.
var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET",
	"2.5.4.10": "O", "2.5.4.11": "OU", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}

// distinguishedName writes a subject as the server's x509 provider does
// (javax.security.auth.x500.X500Principal.getName, RFC 2253): the last part
// first, unknown attributes by number.
func distinguishedName(der []byte) (string, error) {
	var parts []attributesSET
	if _, err := asn1.Unmarshal(der, &parts); err != nil {
		return "", err
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		if i < len(parts)-1 {
			b.WriteByte(',')
		}
		for j, a := range parts[i] {
			if j > 0 {
				b.WriteByte('+')
			}
			writeAttribute(&b, a)
		}
	}
	return b.String(), nil
}

func writeAttribute(b *strings.Builder, a attribute) {
	var text string
	name, known := attributeNames[a.Type.String()]
	if known {
		if _, err := asn1.Unmarshal(a.Value.FullBytes, &text); err != nil {
			known = false
		}
	}
	if !known {
		if name == "" {
			name = a.Type.String()
		}
		b.WriteString(name + "=#" + hex.EncodeToString(a.Value.FullBytes))
		return
	}
	b.WriteString(name + "=")
	for i, r := range text {
		first, last := i == 0, i+len(string(r)) == len(text)
		if strings.ContainsRune(`,+"\<>;`, r) || first && (r == '#' || r == ' ') || last && r == ' ' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
}
