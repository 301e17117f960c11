package zkdev_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// secureWire returns a session over TLS with the client's certificate.
func secureWire(t *testing.T, addr string, certs *zktest.Certs) *wire {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(certs.ClientCert, certs.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(certs.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	// A real server opens its second port after the first, by which it is
	// waited for.
	var nc *tls.Conn
	eventually(t, "a TLS connection", func() bool {
		nc, err = tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}})
		return err == nil
	})
	t.Cleanup(func() { nc.Close() })
	w := &wire{Conn: nc}
	if err := w.connect(30_000, 0); err != nil {
		t.Fatal(err)
	}
	return w
}

// secured are both servers with mutual TLS.
func secured(t *testing.T, certs *zktest.Certs) map[string]string {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(certs.ServerCert, certs.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(certs.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	dev := serve(t, zkdev.Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}})
	addrs := map[string]string{}
	for _, kind := range zktest.Kinds() {
		if kind == zktest.Embedded {
			addrs[string(kind)] = dev.Addr()
		} else {
			addrs[string(kind)] = zktest.StartReal(t, zktest.RealConfig{Certs: certs}).TLSAddr
		}
	}
	return addrs
}

func TestCertificateIsAnIdentity(t *testing.T) {
	certs := zktest.NewCerts(t)
	for name, addr := range secured(t, certs) {
		t.Run(name, func(t *testing.T) {
			w := secureWire(t, addr, certs)
			p, _ := w.call(t, zkdev.OpWhoAmI, nil)
			var who []string
			for range p.body.Int32() {
				who = append(who, fmt.Sprintf("%s:%s", p.body.String(), p.body.String()))
			}
			slices.Sort(who)
			if want := []string{"ip:127.0.0.1", "x509:" + certs.ClientID}; !slices.Equal(who, want) {
				t.Errorf("whoAmI %q, want %q", who, want)
			}
			mine := zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.Identity{Scheme: "x509", ID: certs.ClientID}}}
			others := zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.Identity{Scheme: "x509", ID: "CN=somebody"}}}
			for _, tt := range []struct {
				op   zkdev.Op
				body []byte
				want zkdev.Code
			}{
				{zkdev.OpCreate, createBody("/mine", nil, mine, 0), zkdev.OK},
				{zkdev.OpGetData, watchBody("/mine", false), zkdev.OK},
				{zkdev.OpCreate, createBody("/auth", nil, zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.AuthIDs}}, 0), zkdev.OK},
				{zkdev.OpCreate, createBody("/others", nil, others, 0), zkdev.OK},
				{zkdev.OpGetData, watchBody("/others", false), zkdev.NoAuth},
				{zkdev.OpCreate, createBody("/bad", nil, zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.Identity{Scheme: "x509", ID: "no name"}}}, 0), zkdev.InvalidACL},
				{zkdev.OpAuth, authBody("x509", ""), zkdev.OK},
			} {
				if p, _ := w.call(t, tt.op, tt.body); p.code != tt.want {
					t.Errorf("%v %q: %d, want %d", tt.op, tt.body, p.code, tt.want)
				}
			}
			p, _ = w.call(t, zkdev.OpGetACL, pathBody("/auth"))
			if n, perms, scheme, id := p.body.Int32(), p.body.Int32(), p.body.String(), p.body.String(); n != 1 || perms != 31 || scheme != "x509" || id != certs.ClientID {
				t.Errorf("auth was expanded to %d entries, %d:%s:%s", n, perms, scheme, id)
			}
		})
	}
}

// The events that a session may not know of are kept from it, and its one-time
// watches are used up all the same (CVE-2024-23944).
func TestWatchesOfUnreadableZnodesAreSilent(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		owner, stranger := newWire(t, e.Addr), newWire(t, e.Addr)
		owner.call(t, zkdev.OpAuth, authBody("digest", "u:p"))
		node := e.Chroot.Join("secret").String()
		secret := zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.Digest("u", "p")}}
		events := func() (kinds []int32) {
			_, ev := stranger.call(t, zkdev.OpPing, nil)
			for _, e := range ev {
				kinds = append(kinds, e.body.Int32())
			}
			return kinds
		}
		stranger.call(t, zkdev.OpExists, watchBody(node, true))
		stranger.call(t, zkdev.OpGetChildren, watchBody(e.Chroot.String(), true))
		owner.call(t, zkdev.OpCreate, createBody(node, nil, secret, 0))
		if got := events(); !slices.Equal(got, []int32{4}) {
			t.Errorf("events of a secret create: %d, want only that of the parent's children", got)
		}
		// The watch for the create is gone; this one is of the secret znode.
		stranger.call(t, zkdev.OpExists, watchBody(node, true))
		owner.call(t, zkdev.OpSetData, setBody(node, nil, -1))
		owner.call(t, zkdev.OpSetACL, setACLBody(node, zkfs.Open(), -1))
		owner.call(t, zkdev.OpSetData, setBody(node, nil, -1))
		if got := events(); got != nil {
			t.Errorf("events %d of a watch that was used up", got)
		}
		stranger.call(t, zkdev.OpExists, watchBody(node, true))
		owner.call(t, zkdev.OpDelete, versionBody(node, -1))
		if got := events(); !slices.Equal(got, []int32{2}) {
			t.Errorf("events of an open delete: %d", got)
		}
	})
}

// getACL hides the hashes of passwords from who may not change the ACL.
func TestHashesAreHiddenWithoutAdmin(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		w := newWire(t, e.Addr)
		node := e.Chroot.Join("a").String()
		w.call(t, zkdev.OpCreate, createBody(node, nil, zkfs.ACL{
			{Perms: zkfs.AllPerms, Identity: zkfs.Digest("u", "p")}, {Perms: zkfs.Read, Identity: zkfs.Anyone}}, 0))
		id := func(r *jute.Reader) string {
			r.Int32()
			r.Int32()
			_ = r.String()
			return r.String()
		}
		p, _ := w.call(t, zkdev.OpGetACL, pathBody(node))
		if got := id(p.body); got != "u:x" {
			t.Errorf("without ADMIN %q", got)
		}
		w.call(t, zkdev.OpAuth, authBody("digest", "u:p"))
		p, _ = w.call(t, zkdev.OpGetACL, pathBody(node))
		if got, want := id(p.body), zkfs.Digest("u", "p").ID; got != want {
			t.Errorf("with ADMIN %q, want %q", got, want)
		}
	})
}
