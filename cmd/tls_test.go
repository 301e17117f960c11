package cmd

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// TestMutualTLS plans, applies and takes a lock over mutual TLS, where the
// certificate is the only identity: the tree belongs to it, and whoever comes
// without it is refused with a reason.
func TestMutualTLS(t *testing.T) {
	certs := zktest.NewCerts(t)
	for kind, server := range map[zktest.Kind]func() string{
		zktest.Embedded: func() string { return embeddedTLS(t, certs) },
		zktest.Real:     func() string { return zktest.StartReal(t, zktest.RealConfig{Certs: certs}).TLSAddr },
	} {
		t.Run(string(kind), func(t *testing.T) {
			addr, dir := server(), t.TempDir()
			layout := `layout "tls" {}
				ensemble "main" {
				  servers = ["` + addr + `"]
				  tls {
				    ca_file   = "` + certs.CA + `"
				    cert_file = "` + certs.ClientCert + `"
				    key_file  = "` + certs.ClientKey + `"
				  }
				}
				acl "ours" {
				  grant "x509" {
				    id          = "` + certs.ClientID + `"
				    permissions = ["all"]
				  }
				}
				lock "a" {
				  path = "/locks/a"
				  acl  = acl.ours
				}`
			if err := os.WriteFile(filepath.Join(dir, "locks.hcl"), []byte(layout), 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, dir, nil, 0, "lockform", "apply", "-auto-approve")
			run(t, dir, nil, 0, "lockform", "plan", "-detailed-exitcode")
			agent := func(want int, args ...string) string {
				return run(t, dir, nil, want, filepath.Join(bin, "lockform-agent"), args...)
			}
			out := agent(0, "exec", "-servers="+addr, "-tls-ca="+certs.CA, "-tls-cert="+certs.ClientCert, "-tls-key="+certs.ClientKey,
				"/locks/a", "--", "sh", "-c", "echo holds $LOCKFORM_PATH")
			if out != "holds /locks/a\n" {
				t.Errorf("got %q", out)
			}
			// The server's certificate is not signed by the client's.
			out = agent(125, "exec", "-servers="+addr, "-tls-ca="+certs.ClientCert, "-tls-cert="+certs.ClientCert, "-tls-key="+certs.ClientKey,
				"/locks/a", "--", "true")
			if !strings.Contains(out, "certificate") || !strings.Contains(out, addr) {
				t.Errorf("an untrusted server gave %q", out)
			}
			out = agent(125, "exec", "-servers="+addr, "/locks/a", "--", "true")
			if !strings.Contains(out, "TLS") {
				t.Errorf("a plain connection gave %q", out)
			}
			run(t, dir, nil, 0, "lockform", "destroy", "-auto-approve", "-purge")
		})
	}
}

func embeddedTLS(t *testing.T, certs *zktest.Certs) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certs.ServerCert, certs.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(certs.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	s, err := zkdev.Start(zkdev.Config{TLS: &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Addr()
}
