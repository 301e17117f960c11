package hcl

import (
	"fmt"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// ensembleOfEnvironment returns the ensemble that is used when none is
// declared: that of LOCKFORM_SERVERS and LOCKFORM_AUTH, or the local one.
func (l *loader) ensembleOfEnvironment() *ensemble {
	e := newEnsemble(defaultEnsemble)
	connect, ok := l.env["LOCKFORM_SERVERS"]
	if !ok || connect == "" {
		connect = defaultServers
	}
	servers, chroot, err := splitConnect(connect)
	if err != nil {
		l.errorAt(nil, "Invalid LOCKFORM_SERVERS", "In the environment variable LOCKFORM_SERVERS, %v.", err)
	}
	e.Servers = servers
	if chroot != "" {
		e.Chroot = chroot
	}
	if auth := l.env["LOCKFORM_AUTH"]; auth != "" {
		cred, err := credential(auth)
		if err != nil {
			e.guess = true
			l.errorAt(nil, "Invalid LOCKFORM_AUTH", "The environment variable LOCKFORM_AUTH %v.", err)
			return e
		}
		l.secrets[string(cred.Password)] = true
		e.Auth = append(e.Auth, cred)
		e.Identities = append(e.Identities, cred.Identity())
	}
	return e
}

// Undeclared returns the ensemble of an -ensemble flag that no block declares,
// for destroying what was left in one that has gone from the configuration. It
// is authenticated by LOCKFORM_AUTH, which the environment may lack.
func Undeclared(o Override, environ []string) (layout.Ensemble, error) {
	e := newEnsemble(o.Name).Ensemble
	servers, chroot, err := splitConnect(o.Servers)
	if err != nil {
		return e, fmt.Errorf("in -ensemble=%s, %w", o.Name, err)
	}
	e.Servers = servers
	if chroot != "" {
		e.Chroot = chroot
	}
	for _, pair := range environ {
		auth, ok := strings.CutPrefix(pair, "LOCKFORM_AUTH=")
		if !ok || auth == "" {
			continue
		}
		cred, err := credential(auth)
		if err != nil {
			return e, fmt.Errorf("the environment variable LOCKFORM_AUTH %w", err)
		}
		e.Auth, e.Identities = []layout.Credential{cred}, []zkfs.Identity{cred.Identity()}
	}
	return e, nil
}

// credential reads "digest:user:password" or "digest:user:@FILE". The error
// completes a sentence and shows nothing of it.
func credential(s string) (layout.Credential, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	user, password, ok2 := strings.Cut(rest, ":")
	if !ok || !ok2 || scheme != "digest" || user == "" || password == "" {
		return layout.Credential{}, fmt.Errorf("is not a credential; write it like digest:user:password, or digest:user:@FILE")
	}
	if file, ok := strings.CutPrefix(password, "@"); ok {
		data, err := readFile(file)
		if err != nil {
			return layout.Credential{}, fmt.Errorf("names a file for the password that cannot be read: %s", reason(err, "it"))
		}
		if password = strings.TrimRight(string(data), "\r\n"); password == "" {
			return layout.Credential{}, fmt.Errorf("names a file for the password that is empty")
		}
	}
	return layout.Credential{Username: user, Password: layout.Secret(password)}, nil
}

// splitConnect reads "host:port,host:port/chroot". The chroot is "" when there
// is none and Root for "/".
func splitConnect(s string) ([]string, zkfs.Path, error) {
	hosts, path, slash := strings.Cut(s, "/")
	servers := strings.Split(hosts, ",")
	for _, server := range servers {
		if err := checkServer(server); err != nil {
			return nil, "", err
		}
	}
	if !slash {
		return servers, "", nil
	}
	chroot, err := zkfs.ParsePath("/" + path)
	if err != nil {
		return nil, "", fmt.Errorf("the chroot %w", err)
	}
	return servers, chroot, nil
}

// override applies a -servers or -ensemble flag.
func (l *loader) override(o Override) {
	flag, names := "-ensemble="+o.Name, sortedKeys(l.ensembles)
	if o.Name == "" {
		flag = "-servers"
		if len(names) != 1 {
			l.errorAt(nil, "Several ensembles", "-servers is for a layout with one ensemble; this one has %s. Use -ensemble=NAME=CONNECT.", enumerate(names, "and"))
			return
		}
		o.Name = names[0]
	}
	e := l.ensembles[o.Name]
	if e == nil {
		l.errorAt(nil, "No such ensemble", "%s: the layout has no ensemble %q.%s It has %s.", flag, o.Name, suggest(o.Name, names), enumerate(names, "and"))
		return
	}
	servers, chroot, err := splitConnect(o.Servers)
	if err != nil {
		l.errorAt(nil, "Invalid servers", "In %s, %v.", flag, err)
		return
	}
	e.Servers = servers
	if chroot != "" {
		e.Chroot = chroot
	}
}
