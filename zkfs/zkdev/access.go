package zkdev

import (
	"crypto/sha1"
	"encoding/base64"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lockform/lockform/zkfs"
)

// allowed mirrors ZooKeeperServer.checkACL: an empty ACL allows everything, so
// does the super user; otherwise one entry must have one of the permissions
// asked for and match one of the connection's identities.
func allowed(acl zkfs.ACL, want zkfs.Perms, ids []zkfs.Identity) bool {
	if len(acl) == 0 {
		return true
	}
	for _, id := range ids {
		if id.Scheme == "super" {
			return true
		}
	}
	for _, e := range acl {
		if e.Perms&want == 0 {
			continue
		}
		if e.Identity == zkfs.Anyone {
			return true
		}
		for _, id := range ids {
			if id.Scheme == e.Scheme && matches(id, e.ID) {
				return true
			}
		}
	}
	return false
}

// matches asks the provider of the scheme whether a session's identity fits
// what an ACL says (AuthenticationProvider.matches).
func matches(id zkfs.Identity, expr string) bool {
	switch id.Scheme {
	case "ip":
		return matchIP(id.ID, expr)
	case "digest", "x509":
		return id.ID == expr
	}
	return false
}

// matchIP mirrors IPAuthenticationProvider: dotted IPv4 addresses, with or
// without a number of leading bits. IPv6 matches nothing in 3.8.
func matchIP(addr, expr string) bool {
	net, bits, ok := ipExpr(expr)
	if !ok {
		return false
	}
	a, err := netip.ParseAddr(addr)
	if err != nil || !a.Is4() {
		return false
	}
	return netip.PrefixFrom(net, bits).Contains(a)
}

func ipExpr(expr string) (net netip.Addr, bits int, ok bool) {
	host, mask, masked := strings.Cut(expr, "/")
	var b [4]byte
	parts := strings.Split(host, ".")
	if len(parts) != 4 {
		return netip.Addr{}, 0, false
	}
	for i, p := range parts {
		// Integer.parseInt takes leading zeros and a sign, as Atoi does.
		v, err := strconv.Atoi(p)
		if err != nil || v < 0 || v > 255 {
			return netip.Addr{}, 0, false
		}
		b[i] = byte(v)
	}
	bits = 32
	if masked {
		var err error
		if bits, err = strconv.Atoi(mask); err != nil || bits < 0 || bits > 32 {
			return netip.Addr{}, 0, false
		}
	}
	return netip.AddrFrom4(b), bits, true
}

// resolveACL is PrepRequestProcessor.fixupACL: it checks every entry and
// replaces "auth" by the authenticated identities of the connection.
func (s *Server) resolveACL(acl zkfs.ACL, ids []zkfs.Identity) (zkfs.ACL, Code) {
	if len(acl) == 0 {
		return nil, InvalidACL
	}
	if len(acl) == 1 && acl[0] == openEntry {
		return openACL, OK
	}
	out := make(zkfs.ACL, 0, len(acl))
	for i, e := range acl {
		if slices.Contains(acl[:i], e) {
			continue
		}
		switch {
		case e.Identity == zkfs.Anyone:
			out = append(out, e)
		case e.Scheme == "auth":
			found := false
			for _, id := range ids {
				// An address authenticates nobody; neither does "super",
				// which has no provider.
				if id.Scheme == "digest" || id.Scheme == "x509" {
					out = append(out, zkfs.Entry{Perms: e.Perms, Identity: id})
					found = true
				}
			}
			if !found {
				return nil, InvalidACL
			}
		case !s.validID(e.Identity):
			return nil, InvalidACL
		default:
			out = append(out, e)
		}
	}
	return out, OK
}

// Most znodes are open; they share one ACL.
var (
	openEntry = zkfs.Open()[0]
	openACL   = zkfs.Open()
)

// validID asks the scheme's provider whether an id can be put into an ACL. The
// x509 provider is there when the server has TLS.
func (s *Server) validID(id zkfs.Identity) bool {
	switch id.Scheme {
	case "digest":
		// String.split drops empty strings at the end.
		return len(strings.Split(strings.TrimRight(id.ID, ":"), ":")) == 2
	case "ip":
		_, _, ok := ipExpr(id.ID)
		return ok
	case "x509":
		return s.cfg.TLS != nil && strings.Contains(id.ID, "=")
	}
	return false
}

// login handles an auth packet. Digest never fails: a wrong password is just
// another identity.
func (s *Server) login(c *conn, scheme string, secret []byte) Code {
	switch scheme {
	case "digest":
		id := digest(string(secret))
		if s.cfg.SuperDigest != "" && id.ID == s.cfg.SuperDigest {
			c.addIdentity(zkfs.Identity{Scheme: "super"})
		}
		c.addIdentity(id)
		return OK
	case "ip":
		c.addIdentity(c.address())
		return OK
	case "x509":
		if id, ok := c.certificate(); ok {
			c.addIdentity(id)
			return OK
		}
	}
	return AuthFailed
}

// digest hashes "user:password", and also a secret without a colon, of which
// zkfs.Digest knows nothing (DigestAuthenticationProvider.generateDigest).
func digest(secret string) zkfs.Identity {
	user, _, _ := strings.Cut(secret, ":")
	sum := sha1.Sum([]byte(secret))
	return zkfs.Identity{Scheme: "digest", ID: user + ":" + base64.StdEncoding.EncodeToString(sum[:])}
}

// userName is what whoAmI says of an identity (AuthUtil.getUser).
func userName(id zkfs.Identity) string {
	switch id.Scheme {
	case "digest":
		user, _, _ := strings.Cut(id.ID, ":")
		return user
	case "super":
		return "" // no provider
	}
	return id.ID
}

// redact hides the password hashes of an ACL from sessions without ADMIN
// (FinalRequestProcessor, getACL).
func redact(acl zkfs.ACL) zkfs.ACL {
	out := slices.Clone(acl)
	for i, e := range out {
		if user, _, ok := strings.Cut(e.ID, ":"); ok && e.Scheme == "digest" {
			out[i].ID = user + ":x"
		}
	}
	return out
}
