package zkconn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// startTLS starts a server of the kind that wants certificates, and returns its
// address and the authorities that a client needs.
func startTLS(t *testing.T, kind zktest.Kind, certs *zktest.Certs) (string, *x509.CertPool) {
	t.Helper()
	ca := x509.NewCertPool()
	ca.AppendCertsFromPEM(must(os.ReadFile(certs.CA))(t))
	if kind == zktest.Real {
		return zktest.StartReal(t, zktest.RealConfig{Certs: certs}).TLSAddr, ca
	}
	pair := must(tls.LoadX509KeyPair(certs.ServerCert, certs.ServerKey))(t)
	s := must(zkdev.Start(zkdev.Config{TickTime: zktest.Tick, TLS: &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: ca, ClientAuth: tls.RequireAndVerifyClientCert,
	}}))(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Addr(), ca
}

func TestTLS(t *testing.T) {
	certs := zktest.NewCerts(t)
	client := must(tls.LoadX509KeyPair(certs.ClientCert, certs.ClientKey))(t)
	for _, kind := range zktest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			addr, ca := startTLS(t, kind, certs)
			ctx := within(t, 30*time.Second)
			cfg := zkconn.Config{Servers: addr, TLS: &tls.Config{RootCAs: ca, Certificates: []tls.Certificate{client}}}

			t.Run("Identity", func(t *testing.T) {
				s := open(t, cfg)
				ids := s.Identities()
				if len(ids) != 1 || ids[0] != (zkfs.Identity{Scheme: "x509", ID: certs.ClientID}) {
					t.Fatalf("identities %v, want %s", ids, certs.ClientID)
				}
				mine := zkfs.ACL{{Perms: zkfs.AllPerms, Identity: ids[0]}}
				must(s.Create(ctx, "/mine", []byte("x"), mine, zkfs.Persistent))(t)
				if data, _, err := s.Get(ctx, "/mine"); string(data) != "x" || err != nil {
					t.Errorf("the server knows another name: %q, %v", data, err)
				}
			})
			// The real server on Netty may answer a credential before it gives the session.
			t.Run("OwnAuthGoesAhead", func(t *testing.T) {
				ahead := cfg
				ahead.OwnAuth, ahead.Ahead = zkconn.Digest("own", "secret"), []zkfs.Path{"/mine"}
				for range 20 {
					open(t, ahead)
				}
				s := open(t, ahead)
				own := zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.Digest("own", "secret")}}
				must(s.Create(ctx, "/own", []byte("x"), own, zkfs.Ephemeral))(t)
				if data, _, err := s.Get(ctx, "/own"); string(data) != "x" || err != nil {
					t.Errorf("the credential does not count: %q, %v", data, err)
				}
			})
			t.Run("NameInTheCertificate", func(t *testing.T) {
				named := cfg
				_, port, _ := net.SplitHostPort(addr)
				named.Servers = "localhost:" + port
				open(t, named)
			})
			t.Run("NoClientCertificate", func(t *testing.T) {
				none := cfg
				none.TLS = &tls.Config{RootCAs: ca}
				_, err := zkconn.Open(ctx, none)
				if !errors.Is(err, zkfs.ErrUnavailable) || !strings.Contains(err.Error(), addr+": ") || !strings.Contains(err.Error(), "certificate") {
					t.Errorf("got %v", err)
				}
			})
			t.Run("ForeignClientCertificate", func(t *testing.T) {
				others := zktest.NewCerts(t)
				foreign := cfg
				foreign.TLS = &tls.Config{RootCAs: ca, Certificates: []tls.Certificate{must(tls.LoadX509KeyPair(others.ClientCert, others.ClientKey))(t)}}
				_, err := zkconn.Open(ctx, foreign)
				if !errors.Is(err, zkfs.ErrUnavailable) || !strings.Contains(err.Error(), addr+": it refused the TLS handshake: tls: ") {
					t.Errorf("got %v", err)
				}
			})
			t.Run("FourLetterWord", func(t *testing.T) {
				if out, err := zkconn.FourLetterWord(ctx, cfg, addr, "ruok"); out != "imok" || err != nil {
					t.Errorf("%q, %v", out, err)
				}
			})
			t.Run("PlainClient", func(t *testing.T) {
				_, err := zkconn.Open(ctx, zkconn.Config{Servers: addr, ConnectTimeout: time.Second})
				if !errors.Is(err, zkfs.ErrUnavailable) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// The session knows by which name the server will know its certificate.
func TestCertificateNames(t *testing.T) {
	oid := func(n ...int) asn1.ObjectIdentifier { return n }
	cn, c, o, ou, serial, dc := oid(2, 5, 4, 3), oid(2, 5, 4, 6), oid(2, 5, 4, 10), oid(2, 5, 4, 11), oid(2, 5, 4, 5), oid(0, 9, 2342, 19200300, 100, 1, 25)
	type part = pkix.AttributeTypeAndValue
	subjects := []struct {
		name  string
		parts pkix.RDNSequence
		want  string
	}{
		{"TheLastPartComesFirst", pkix.RDNSequence{{part{Type: c, Value: "CH"}}, {part{Type: o, Value: "Acme"}}, {part{Type: cn, Value: "zk"}}}, "CN=zk,O=Acme,C=CH"},
		{"TheOrderOfTheCertificateIsKept", pkix.RDNSequence{{part{Type: cn, Value: "zk"}}, {part{Type: o, Value: "Acme"}}}, "O=Acme,CN=zk"},
		{"SpecialCharacters", pkix.RDNSequence{{part{Type: o, Value: `a,b+c"d\e<f>g;h=i`}}, {part{Type: cn, Value: " #x "}}}, `CN=\ \#x\ ,O=a\,b\+c\"d\\e\<f\>g\;h\=i`},
		{"LeadingHash", pkix.RDNSequence{{part{Type: cn, Value: "#x=y"}}}, `CN=\#x\=y`},
		{"UnknownAttribute", pkix.RDNSequence{{part{Type: cn, Value: "zk"}}, {part{Type: serial, Value: "42"}}}, "2.5.4.5=#13023432,CN=zk"},
		{"SeveralInOnePart", pkix.RDNSequence{{part{Type: ou, Value: "b"}, part{Type: cn, Value: "a"}}}, "CN=a+OU=b"},
		{"Unicode", pkix.RDNSequence{{part{Type: dc, Value: "x"}}, {part{Type: cn, Value: "Zoë"}}}, "CN=Zoë,DC=x"},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// Certificates that sign themselves, each of them trusted.
	certs := zktest.NewCerts(t)
	trusted := must(os.ReadFile(certs.CA))(t)
	var pairs []tls.Certificate
	for i, s := range subjects {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), RawSubject: must(asn1.Marshal(s.parts))(t),
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))(t)
		pairs = append(pairs, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
		trusted = append(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	certs.CA = t.TempDir() + "/trusted.pem"
	if err := os.WriteFile(certs.CA, trusted, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range zktest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			addr, ca := startTLS(t, kind, certs)
			for i, subject := range subjects {
				t.Run(subject.name, func(t *testing.T) {
					ctx := within(t, 20*time.Second)
					s := open(t, zkconn.Config{Servers: addr, TLS: &tls.Config{RootCAs: ca, Certificates: pairs[i : i+1]}})
					want := []zkfs.Identity{{Scheme: "x509", ID: subject.want}}
					if got := s.Identities(); !slices.Equal(got, want) {
						t.Errorf("got  %v\nwant %v", got, want)
					}
					path := zkfs.Root.Join(subject.name)
					must(s.Create(ctx, path, nil, zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.AuthIDs}}, zkfs.Ephemeral))(t)
					acl, _, err := s.GetACL(ctx, path)
					if err != nil || !slices.ContainsFunc(acl, func(e zkfs.Entry) bool { return e.Identity == want[0] }) {
						t.Errorf("the server says %v, %v\nwant       %v", acl, err, want)
					}
				})
			}
		})
	}
}
