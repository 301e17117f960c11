package hcl

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// TestLoadEnsemblesNeedsNothingElse loads the ensembles of a directory whose
// other blocks are wrong in every way.
func TestLoadEnsemblesNeedsNothingElse(t *testing.T) {
	dir := directory(t, map[string]string{
		"a.hcl": `
ensemble "main" {
  servers = local.servers
  auth "digest" {
    username = "planner"
    password = var.password
  }
}
variable "password" { sensitive = true }
variable "needless" { type = string }
variable "broken" { type = strng }
locals {
  servers = ["${local.host}:2181"]
  host    = "zk1"
  gone    = var.gone
  round   = local.round
}
lock "a" {
  pth  = "/a"
  acl  = acl.gone
  nope = 1
}
lock "a" {}
resource "x" "y" {}
`})
	got, d := LoadEnsembles(dir, Options{Vars: []Assignment{{Name: "password", Value: "s3cr3t"}, {Name: "undeclared", Value: "x"}}})
	if d != nil {
		t.Fatalf("got diagnostics, want none:\n%s", show(t, d))
	}
	want := layout.Credential{Username: "planner", Password: "s3cr3t"}
	if len(got) != 1 || got[0].Servers[0] != "zk1:2181" || got[0].Auth[0] != want {
		t.Errorf("got %+v", got)
	}
}

// TestLoadEnsemblesReportsItsOwnFaults checks that what concerns the ensembles
// is an error there too.
func TestLoadEnsemblesReportsItsOwnFaults(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"UnknownArgument":   {`ensemble "m" { srvers = [] }`, "Unsupported argument"},
		"UnknownReference":  {`ensemble "m" { servers = var.gone }`, "Reference to undeclared variable"},
		"MissingValue":      {"ensemble \"m\" { servers = var.s }\nvariable \"s\" { type = list(string) }", "No value for required variable"},
		"Cycle":             {"ensemble \"m\" { servers = local.a }\nlocals { a = local.a }", "Reference cycle"},
		"FaultOfAVariable":  {"ensemble \"m\" { servers = var.s }\nvariable \"s\" { type = lst(string) }", "Invalid type specification"},
		"FaultOfALocal":     {"ensemble \"m\" { servers = local.a }\nlocals { a = var.b }", "Reference to undeclared variable"},
		"Duplicate":         {"ensemble \"m\" { servers = [\"a:1\"] }\nensemble \"m\" { servers = [\"a:1\"] }", "Duplicate ensemble"},
		"SyntaxErrorAnyhow": {"ensemble \"m\" { servers = [\"a:1\"] }\nlock {{", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, d := LoadEnsembles(directory(t, map[string]string{"a.hcl": c.text}), Options{})
			if got != nil || !d.HasErrors() {
				t.Fatalf("got %+v, want errors", got)
			}
			if !strings.Contains(show(t, d), c.want) {
				t.Errorf("got %s, want %q", show(t, d), c.want)
			}
		})
	}
}

// TestLoadEnsemblesWithoutAny returns the ensemble of the environment.
func TestLoadEnsemblesWithoutAny(t *testing.T) {
	got, d := LoadEnsembles(directory(t, map[string]string{"a.hcl": "lock {}"}), Options{Environ: []string{"LOCKFORM_SERVERS=zk7:2181/x"}})
	if d.HasErrors() || len(got) != 1 || got[0].Name != "default" || got[0].Servers[0] != "zk7:2181" || got[0].Chroot != "/x" {
		t.Errorf("got %+v, %v", got, d)
	}
}

// certificate writes a certificate and its key, and returns their paths.
func certificate(t *testing.T, dir string, subject pkix.Name) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{Subject: subject, SerialNumber: big.NewInt(1)},
		&x509.Certificate{Subject: subject, SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"client.pem": {Type: "CERTIFICATE", Bytes: der},
		"client.key": {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCertificateIsAnIdentity checks that a certificate's subject is known
// offline, in the server's form, and that its ACLs are checked with it.
func TestCertificateIsAnIdentity(t *testing.T) {
	dir := directory(t, map[string]string{"a.hcl": `
layout "x" {}
ensemble "m" {
  servers = ["zk1:2281"]
  tls {
    ca_file   = "client.pem"
    cert_file = "client.pem"
    key_file  = "client.key"
  }
}
lock "a" {
  path = "/a"
  acl  = acl.read_only
}
`})
	certificate(t, dir, pkix.Name{CommonName: "planner, main", Organization: []string{"lockform"}, SerialNumber: "7"})
	l, d := Load(dir, Options{})
	if l == nil {
		t.Fatalf("got errors:\n%s", show(t, d))
	}
	want := []zkfs.Identity{{Scheme: "x509", ID: `2.5.4.5=#130137,CN=planner\, main,O=lockform`}}
	if d := cmp.Diff(want, l.Ensembles[0].Identities); d != "" {
		t.Errorf("identities (-want +got):\n%s", d)
	}
	if got := l.Ensembles[0].TLS.CertFile; got != filepath.Join(dir, "client.pem") {
		t.Errorf("got the path %s, want one that is usable from the working directory", got)
	}
}
