package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// try runs an agent with true under a lock, and compares its exit code and what
// it says.
func try(t *testing.T, servers string, env, flags []string, code int, says string) {
	t.Helper()
	cmd := agentCommand(servers, append(append([]string{"exec"}, flags...), "/locks/a", "--", "true")...)
	cmd.Env = append(cmd.Env, env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if got := exitCode(t, cmd); got != code {
		t.Errorf("%s %q: exit code %d, want %d; it said %s", env, flags, got, code, stderr.String())
	}
	if !strings.Contains(stderr.String(), says) || says == "" && stderr.Len() > 0 {
		t.Errorf("%s %q: it said %q, not %q", env, flags, stderr.String(), says)
	}
	if strings.Contains(stderr.String(), "s3cret") {
		t.Errorf("%s %q: it said the password: %q", env, flags, stderr.String())
	}
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAuthentication(t *testing.T) {
	eachServer(t, func(t *testing.T, e *zktest.Env, s *zkconn.Session) {
		acl := zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.Digest("app", "s3cret:x")}}
		if _, err := s.SetACL(t.Context(), "/locks/a", acl, zkfs.AnyVersion); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		good := writeFile(t, dir, "password", "s3cret:x\n")
		wrong := writeFile(t, dir, "wrong", "s3cret")
		empty := writeFile(t, dir, "empty", "\n")
		hcl := writeFile(t, dir, "agent.hcl", "# the agent's\nservers = [\""+e.Servers+"\"]\nauth = \"digest:app:@password\"\nsession_timeout = \"4s\"\n")
		json := writeFile(t, dir, "agent.json", `{"servers":"`+e.Servers+`","auth":["digest:app:@`+good+`"],"session-timeout":"4s"}`)
		try(t, e.Servers, nil, nil, 125, "permission denied")
		try(t, e.Servers, nil, []string{"-auth=digest:app:@" + good}, 0, "")
		try(t, e.Servers, nil, []string{"-auth", "digest:other:@" + wrong, "-auth", "digest:app:@" + good}, 0, "")
		try(t, e.Servers, nil, []string{"-auth=digest:app:@" + wrong}, 125, "permission denied")
		try(t, e.Servers, nil, []string{"-auth=digest:app:@" + empty}, 125, "is empty")
		try(t, e.Servers, []string{"LOCKFORM_AUTH=digest:app:s3cret:x"}, nil, 0, "")
		try(t, e.Servers, []string{"LOCKFORM_AUTH=digest:app:@" + good}, nil, 0, "")
		try(t, e.Servers, []string{"LOCKFORM_AUTH=digest:app:s3cret"}, nil, 125, "permission denied")
		try(t, e.Servers, []string{"LOCKFORM_AUTH=s3cret"}, nil, 125, `it is written "digest:USER:@FILE"`)
		try(t, "127.0.0.1:1", []string{"LOCKFORM_SERVERS="}, []string{"-config=" + hcl}, 0, "")
		try(t, "127.0.0.1:1", []string{"LOCKFORM_SERVERS="}, []string{"-config=" + json}, 0, "")
		try(t, "127.0.0.1:1", nil, []string{"-config=" + hcl}, 125, "127.0.0.1:1")
		try(t, "127.0.0.1:1", nil, []string{"-config=" + hcl, "-servers=" + e.Servers}, 0, "")
	})
}

func TestTLS(t *testing.T) {
	certs := zktest.NewCerts(t)
	others := zktest.NewCerts(t)
	for _, kind := range zktest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			addr := secureServer(t, kind, certs)
			s := eventuallyConnected(t, addr, certs)
			defer s.Close(t.Context())
			if err := declareLock(s, "/locks/a", testPolicy()); err != nil {
				t.Fatal(err)
			}
			ours := []string{"-tls-cert=" + certs.ClientCert, "-tls-key=" + certs.ClientKey}
			try(t, addr, nil, append(ours, "-tls-ca="+certs.CA), 0, "")
			try(t, addr, nil, append(ours, "-tls-ca="+certs.CA, "-tls-server-name=localhost"), 0, "")
			try(t, addr, nil, append(ours, "-tls-ca="+others.CA), 125, "certificate")
			try(t, addr, nil, append(ours, "-tls-ca="+certs.CA, "-tls-server-name=elsewhere"), 125, "elsewhere")
			try(t, addr, nil, []string{"-tls-ca=" + certs.CA}, 125, "certificate")
			try(t, addr, nil, []string{"-tls-ca=" + certs.ClientKey}, 125, "no certificate in PEM form")
			dir := filepath.Dir(certs.CA)
			file := writeFile(t, dir, "agent.hcl", fmt.Sprintf("tls-ca = %q\ntls-cert = %q\ntls_key = %q\n",
				filepath.Base(certs.CA), filepath.Base(certs.ClientCert), filepath.Base(certs.ClientKey)))
			try(t, addr, nil, []string{"-config=" + file}, 0, "")
		})
	}
}

// secureServer starts a server that wants certificates.
func secureServer(t *testing.T, kind zktest.Kind, certs *zktest.Certs) string {
	t.Helper()
	if kind == zktest.Real {
		return zktest.StartReal(t, zktest.RealConfig{Certs: certs}).TLSAddr
	}
	pair, err := tls.LoadX509KeyPair(certs.ServerCert, certs.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	s, err := zkdev.Start(zkdev.Config{TLS: &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(t, certs.CA),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.Addr()
}

func pool(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(data)
	return p
}

// eventuallyConnected connects over TLS; the real server's second port may come
// up after its first.
func eventuallyConnected(t *testing.T, addr string, certs *zktest.Certs) *zkconn.Session {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certs.ClientCert, certs.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	s, err := zkconn.Open(ctx, zkconn.Config{Servers: addr, ConnectTimeout: patience,
		TLS: &tls.Config{RootCAs: pool(t, certs.CA), Certificates: []tls.Certificate{pair}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A session timeout comes from the policy.
func TestThePolicysSessionTimeoutCounts(t *testing.T) {
	eachServer(t, func(t *testing.T, e *zktest.Env, s *zkconn.Session) {
		p := testPolicy()
		p.SessionTimeout = 3 * time.Second
		if err := declareLock(s, "/locks/a", p); err != nil {
			t.Fatal(err)
		}
		agent, _ := startHolder(t, e.Servers, "/locks/a")
		if err := agent.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := eventually(func() error {
			names, _, err := s.Children(t.Context(), "/locks/a")
			if err == nil && len(names) > 0 {
				err = fmt.Errorf("the contenders are %q", names)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if took, most := time.Since(began), p.SessionTimeout+zktest.Tick+time.Second; took > most {
			t.Errorf("the lock was free after %s, not within %s", took, most)
		}
	})
}
