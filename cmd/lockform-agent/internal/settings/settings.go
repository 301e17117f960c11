// Package settings collects how an agent reaches ZooKeeper: from flags, the
// environment and a file, in this order of precedence, and makes secrets out of
// what names them.
package settings

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// DefaultServers is where ZooKeeper is looked for when nothing else is said.
const DefaultServers = "127.0.0.1:2181"

// Connection is what the flags of the same names say. Its zero value reaches
// DefaultServers.
type Connection struct {
	Servers        string
	TLSCA          string // PEM files
	TLSCert        string
	TLSKey         string
	TLSServerName  string
	Auth           []string // digest:USER:@FILE
	SessionTimeout string   // as layout.ParseDuration reads it
}

// Config returns the configuration of a session. Clear allows passwords in
// place of their files, for what only its owner can see.
func (c Connection) Config() (zkconn.Config, error) {
	config := zkconn.Config{Servers: c.Servers}
	if config.Servers == "" {
		config.Servers = DefaultServers
	}
	if _, _, err := zkconn.ParseServers(config.Servers); err != nil {
		return config, fmt.Errorf("-servers: %w", err)
	}
	var err error
	if config.SessionTimeout, err = duration(c.SessionTimeout); err != nil {
		return config, fmt.Errorf("-session-timeout: %w", err)
	}
	for _, a := range c.Auth {
		auth, err := parseAuth(a)
		if err != nil {
			return config, err
		}
		config.Auth = append(config.Auth, auth)
	}
	config.TLS, err = c.tls()
	return config, err
}

func duration(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := layout.ParseDuration(s)
	if err == nil && d == 0 {
		return 0, errors.New("it must be longer than 0")
	}
	return d, err
}

var errAuthForm = errors.New(`it is written "digest:USER:@FILE"`)

// CheckFlag refuses what a command line must not have: a secret in clear, which
// everybody on the host could see. The error does not repeat it.
func CheckFlag(auth string) error {
	_, _, secret, err := splitAuth(auth)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(secret, "@") {
		return errors.New(`a password on a command line can be read by everyone on the host; put it into a file and write "digest:USER:@FILE", or use LOCKFORM_AUTH`)
	}
	return nil
}

func splitAuth(s string) (scheme, user, secret string, err error) {
	scheme, rest, _ := strings.Cut(s, ":")
	user, secret, ok := strings.Cut(rest, ":")
	switch {
	case scheme != "digest" || !ok:
		return "", "", "", errAuthForm
	case user == "":
		return "", "", "", fmt.Errorf("the user is missing; %w", errAuthForm)
	case secret == "" || secret == "@":
		return "", "", "", fmt.Errorf("the password is missing; %w", errAuthForm)
	}
	return scheme, user, secret, nil
}

// parseAuth makes a credential. A password that begins with "@" names a file;
// a newline at the end of the file does not belong to the password.
func parseAuth(s string) (zkconn.Auth, error) {
	_, user, secret, err := splitAuth(s)
	if err != nil {
		return zkconn.Auth{}, fmt.Errorf("-auth: %w", err)
	}
	if file, ok := strings.CutPrefix(secret, "@"); ok {
		data, err := os.ReadFile(file)
		if err != nil {
			return zkconn.Auth{}, fmt.Errorf("-auth: read the password of %q: %w", user, err)
		}
		data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
		if len(data) == 0 {
			return zkconn.Auth{}, fmt.Errorf("-auth: the file %s of the password of %q is empty", file, user)
		}
		secret = string(data)
	}
	return zkconn.Digest(user, secret), nil
}

// tls returns the configuration for TLS, nil when no setting asks for it.
func (c Connection) tls() (*tls.Config, error) {
	if c.TLSCA == "" && c.TLSCert == "" && c.TLSKey == "" && c.TLSServerName == "" {
		return nil, nil
	}
	config := &tls.Config{ServerName: c.TLSServerName, MinVersion: tls.VersionTLS12}
	if c.TLSCA != "" {
		data, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("-tls-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("-tls-ca: %s has no certificate in PEM form", c.TLSCA)
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return nil, errors.New("-tls-cert and -tls-key belong together; one of them is missing")
	}
	if c.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("-tls-cert and -tls-key: %w", err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return config, nil
}

// Over returns c with what is not set taken from below.
func (c Connection) Over(below Connection) Connection {
	for _, s := range []struct{ to, from *string }{
		{&c.Servers, &below.Servers}, {&c.TLSCA, &below.TLSCA}, {&c.TLSCert, &below.TLSCert}, {&c.TLSKey, &below.TLSKey},
		{&c.TLSServerName, &below.TLSServerName}, {&c.SessionTimeout, &below.SessionTimeout},
	} {
		if *s.to == "" {
			*s.to = *s.from
		}
	}
	if len(c.Auth) == 0 {
		c.Auth = below.Auth
	}
	return c
}

// Environment returns what LOCKFORM_SERVERS and LOCKFORM_AUTH say.
func Environment() Connection {
	c := Connection{Servers: os.Getenv("LOCKFORM_SERVERS")}
	if auth := os.Getenv("LOCKFORM_AUTH"); auth != "" {
		c.Auth = []string{auth}
	}
	return c
}

// relative makes the files that a configuration names relative to its own
// directory.
func (c *Connection) relative(dir string) {
	join := func(name string) string {
		if name == "" || filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(dir, name)
	}
	c.TLSCA, c.TLSCert, c.TLSKey = join(c.TLSCA), join(c.TLSCert), join(c.TLSKey)
	for i, a := range c.Auth {
		if _, user, secret, err := splitAuth(a); err == nil && strings.HasPrefix(secret, "@") {
			c.Auth[i] = "digest:" + user + ":@" + join(secret[1:])
		}
	}
}
