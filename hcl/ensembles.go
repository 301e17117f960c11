package hcl

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// What is used where no ensemble is declared.
const (
	defaultEnsemble = "default"
	defaultServers  = "127.0.0.1:2181"
)

// ensembleType is that of ensemble.x.
var ensembleType = cty.Object(map[string]cty.Type{"name": cty.String})

// An ensemble is a layout.Ensemble with what checks need to know.
type ensemble struct {
	layout.Ensemble
	guess    bool // something of it is not known, and so its identities may not be
	tickAt   *hcl.Range
	declared string // its fingerprint before the overrides; "" without a block
}

// readEnsembles evaluates the ensemble blocks, or makes the one that there is
// without any, and applies the overrides.
func (l *loader) readEnsembles(ctx *hcl.EvalContext) {
	for _, name := range sortedKeys(l.module.ensembles) {
		l.ensembles[name] = l.ensemble(l.module.ensembles[name], ctx)
	}
	if len(l.module.ensembles) == 0 {
		l.ensembles[defaultEnsemble] = l.ensembleOfEnvironment()
	}
	for name := range l.module.ensembles {
		l.ensembles[name].declared = l.ensembles[name].Fingerprint()
	}
	for _, o := range l.o.Ensembles {
		l.override(o)
	}
}

// ensembleValues gives ensemble.x its value, before anything is evaluated.
func (l *loader) ensembleValues() {
	for _, name := range append(sortedKeys(l.module.ensembles), defaultEnsemble) {
		l.values[ref{"ensemble", name}] = cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(name)})
	}
}

func newEnsemble(name string) *ensemble {
	return &ensemble{Ensemble: layout.Ensemble{
		Name: name, Chroot: zkfs.Root,
		SessionTimeout: 15 * time.Second, ConnectTimeout: 5 * time.Second, TickTime: 3 * time.Second,
	}}
}

func (l *loader) ensemble(b *block, ctx *hcl.EvalContext) *ensemble {
	e := newEnsemble(b.name)
	e.Pos = pos(b.def)
	if v := l.attribute(b.attr("servers"), ctx, cty.List(cty.String)); v.state == known {
		e.Servers = l.servers(v)
	} else if v.state == absent && b.attr("servers") != nil {
		l.errorf(v.at, "No servers", `An ensemble has at least one server, such as "zk1:2181".`)
	}
	if v := l.attribute(b.attr("chroot"), ctx, cty.String); v.state == known {
		p, err := zkfs.ParsePath(v.str())
		if err != nil {
			l.errorf(v.at, "Invalid znode path", "The chroot %v. Write it like \"/prod\".", err)
		}
		e.Chroot = p
	}
	sessionAt := b.def
	for _, d := range []struct {
		name string
		to   *time.Duration
	}{{"session_timeout", &e.SessionTimeout}, {"connect_timeout", &e.ConnectTimeout}, {"tick_time", &e.TickTime}} {
		v := l.attribute(b.attr(d.name), ctx, cty.String)
		if v.state != known {
			continue
		}
		switch d.name {
		case "tick_time":
			e.tickAt = v.at.Ptr()
		case "session_timeout":
			sessionAt = v.at
		}
		t, err := layout.ParseDuration(v.str())
		switch {
		case err != nil:
			l.errorf(v.at, "Invalid duration", "Inappropriate value for attribute %q: %v.", d.name, err)
		case t < time.Millisecond || t > 24*time.Hour:
			l.errorf(v.at, "Invalid duration", "Inappropriate value for attribute %q: it must be between 1ms and 24h.", d.name)
		default:
			*d.to = t
		}
	}
	if p := (layout.Policy{SessionTimeout: e.SessionTimeout, TickTime: e.TickTime}); p.SessionTimeout-p.TickTime < p.SessionTimeout/3 {
		if b.attr("session_timeout") == nil && e.tickAt != nil {
			sessionAt = *e.tickAt
		}
		l.errorf(sessionAt, "Session timeout too short", "A session_timeout of %s leaves no room for the lease of the apply lock: with a tick_time of %s it must be at least %s.",
			layout.FormatDuration(e.SessionTimeout), layout.FormatDuration(e.TickTime), layout.FormatDuration(e.TickTime*3/2))
	}
	auths, ok := l.writeOut(b.content.Blocks, "auth", true, ctx)
	e.guess = e.guess || !ok
	for _, a := range auths {
		l.auth(e, a)
	}
	var tls *hcl.Block
	for _, c := range b.content.Blocks {
		switch {
		case c.Type != "tls":
		case tls != nil:
			l.errorf(headerOf(c), "Duplicate tls block", "An ensemble has one tls block; the first is at %s.", place(headerOf(tls)))
		default:
			tls = c
			l.tls(e, c, ctx)
		}
	}
	return e
}

// servers checks the addresses of servers.
func (l *loader) servers(v value) []string {
	all := v.strs()
	for _, s := range all {
		if err := checkServer(s); err != nil {
			l.errorf(v.at, "Invalid server address", "%v.", err)
		}
	}
	if len(all) == 0 {
		l.errorf(v.at, "No servers", `An ensemble has at least one server, such as "zk1:2181".`)
	}
	return all
}

// checkServer checks one "host:port".
func checkServer(s string) error {
	host, port, err := net.SplitHostPort(s)
	n, perr := strconv.Atoi(port)
	switch {
	case strings.Contains(s, "/"):
		return fmt.Errorf("%q has a slash; the path below which everything lies is the attribute chroot", s)
	case strings.Contains(s, ","):
		return fmt.Errorf("%q has a comma; write one list element for each server", s)
	case err != nil && strings.Count(s, ":") == 0:
		return fmt.Errorf(`%q has no port; write it like "zk1:2181"`, s)
	case err != nil:
		return fmt.Errorf(`%q is not host:port; write it like "zk1:2181", or "[::1]:2181" for IPv6`, s)
	case host == "" || strings.ContainsAny(host, " \t\r\n"):
		return fmt.Errorf(`%q has no host; write it like "zk1:2181"`, s)
	case perr != nil || n < 1 || n > 65535:
		return fmt.Errorf("%q has no valid port; ports are 1 to 65535, and ZooKeeper's is 2181 by default", s)
	}
	return nil
}

// auth reads one auth block. Nothing of it is shown.
func (l *loader) auth(e *ensemble, b written) {
	c, ctx := l.content(b.body, authBody), b.ctx
	user := l.secretAttribute(c.Attributes["username"], ctx, cty.String)
	password := l.secretAttribute(c.Attributes["password"], ctx, cty.String)
	if password.state == known {
		l.secrets[password.str()] = true
	}
	if b.label != "digest" {
		l.errorf(b.labelAt, "Unknown authentication scheme", `%q is not a scheme that lockform authenticates by. Use auth "digest"; a certificate stands in a tls block.`, b.label)
		return
	}
	empty := func(v value, name string) bool {
		a := c.Attributes[name]
		if a == nil || v.state == known && v.str() != "" || v.state == skipped {
			return false
		}
		l.errorf(a.Expr.Range(), "Empty "+name, "The %s is empty. Set one.", name)
		return true
	}
	bad := empty(user, "username")
	if empty(password, "password") || bad || user.state != known || password.state != known {
		e.guess = true
		return
	}
	if strings.Contains(user.str(), ":") {
		e.guess = true
		l.errorf(user.at, "Invalid username", "The username of the scheme digest must not contain a colon, which separates it from the password.")
		return
	}
	cred := layout.Credential{Username: user.str(), Password: layout.Secret(password.str())}
	e.Auth = append(e.Auth, cred)
	e.Identities = append(e.Identities, cred.Identity())
}

// tls reads the tls block, and the certificate for the identity that it gives.
func (l *loader) tls(e *ensemble, b *hcl.Block, ctx *hcl.EvalContext) {
	c := l.content(b.Body, tlsBody)
	t := &layout.TLS{}
	e.TLS = t
	at := map[string]value{}
	for name, to := range map[string]*string{"ca_file": &t.CAFile, "cert_file": &t.CertFile, "key_file": &t.KeyFile, "server_name": &t.ServerName} {
		v := l.secretAttribute(c.Attributes[name], ctx, cty.String)
		at[name] = v
		switch {
		case v.state == skipped:
			e.guess = true
		case v.state == known && v.str() == "":
			l.errorf(v.at, "Empty "+name, "%s is empty. Set it, or take the argument out.", name)
		case v.state == known && name == "server_name":
			*to = v.str()
		case v.state == known:
			*to = l.join(v.str())
		}
	}
	for _, pair := range [][2]string{{"cert_file", "key_file"}, {"key_file", "cert_file"}} {
		if at[pair[0]].state == known && c.Attributes[pair[1]] == nil {
			l.errorf(at[pair[0]].at, "Missing "+pair[1], "A certificate is used with its key: set %s too.", pair[1])
		}
	}
	for _, name := range []string{"ca_file", "key_file", "cert_file"} {
		v := at[name]
		if v.state != known || v.str() == "" {
			continue
		}
		data, err := readFile(l.join(v.str()))
		if err != nil {
			if l.o.Validate && os.IsNotExist(err) {
				// Where a layout is only checked the keys need not be.
				e.guess = e.guess || name == "cert_file"
				continue
			}
			e.guess = true
			l.errorf(v.at, "A file cannot be read", "The file that %s names cannot be read: %s. Paths are relative to the layout directory.", name, reason(err, "it"))
			continue
		}
		l.pem(e, name, data, v.at)
	}
}

// pem checks what a file of a tls block holds.
func (l *loader) pem(e *ensemble, name string, data []byte, at hcl.Range) {
	var certs, keys int
	for rest := data; ; {
		var p *pem.Block
		if p, rest = pem.Decode(rest); p == nil {
			break
		}
		switch {
		case strings.HasSuffix(p.Type, "PRIVATE KEY"):
			keys++
		case p.Type == "CERTIFICATE":
			cert, err := x509.ParseCertificate(p.Bytes)
			if err != nil {
				l.errorf(at, "Invalid certificate", "A certificate in the file that %s names cannot be read: %v.", name, err)
				e.guess = true
				return
			}
			if certs++; certs == 1 && name == "cert_file" {
				// The first one is the client's own.
				id, err := zkfs.X509(cert)
				if err != nil {
					l.errorf(at, "Invalid certificate", "The file that %s names: %v.", name, err)
					e.guess = true
					return
				}
				e.Identities = append(e.Identities, id)
			}
		}
	}
	switch {
	case name == "key_file" && keys == 0:
		l.errorf(at, "No key", "The file that key_file names holds no private key in PEM form.")
	case name != "key_file" && certs == 0:
		e.guess = true
		l.errorf(at, "No certificate", "The file that %s names holds no certificate in PEM form.", name)
	}
}

// join makes a path that is relative to the layout's directory usable from the
// working directory.
func (l *loader) join(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.dir, path)
}
