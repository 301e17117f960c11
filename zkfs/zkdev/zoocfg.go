package zkdev

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ReadConfig reads a zoo.cfg (QuorumPeerConfig) and returns what of it applies
// to this server: tickTime, clientPort, clientPortAddress, dataDir (the
// snapshot is kept there), minSessionTimeout, maxSessionTimeout,
// secureClientPort, secureClientPortAddress, ssl.keyStore.location,
// ssl.trustStore.location and ssl.clientAuth with PEM files, the super user's
// DigestAuthenticationProvider.superDigest, and
// znode.container.checkIntervalMs. Warnings name every other key, with its
// line. The error says which line cannot be read; file is used in messages.
func ReadConfig(r io.Reader, file string) (cfg Config, warnings []string, err error) {
	z := zooConfig{values: map[string]string{}, lines: map[string]int{}, file: file}
	if err := z.read(r); err != nil {
		return Config{}, nil, err
	}
	cfg.TickTime = z.milliseconds("tickTime")
	cfg.MinSessionTimeout = z.milliseconds("minSessionTimeout")
	cfg.MaxSessionTimeout = z.milliseconds("maxSessionTimeout")
	if cfg.MinSessionTimeout > 0 && cfg.MaxSessionTimeout > 0 && cfg.MinSessionTimeout > cfg.MaxSessionTimeout {
		z.err = errors.Join(z.err, fmt.Errorf("%s:%d: minSessionTimeout is larger than maxSessionTimeout", file, z.lines["minSessionTimeout"]))
	}
	cfg.ReapInterval = z.milliseconds("znode.container.checkIntervalMs")
	cfg.SuperDigest = z.take("DigestAuthenticationProvider.superDigest")
	if dir := z.take("dataDir"); dir != "" {
		cfg.Data = filepath.Join(dir, "lockform-dev.snapshot")
	}
	cfg.Listen = z.address("clientPort", "clientPortAddress")
	cfg.SecureListen = z.address("secureClientPort", "secureClientPortAddress")
	cfg.TLS = z.tls(cfg.SecureListen != "")
	if z.err != nil {
		return Config{}, nil, z.err
	}
	if cfg.Listen == "" && cfg.SecureListen != "" {
		cfg.Listen, cfg.SecureListen = cfg.SecureListen, ""
	}
	return cfg, z.warnings(), nil
}

// A zooConfig is the content of a zoo.cfg, from which keys are taken one by
// one. The first error stays.
type zooConfig struct {
	file   string
	values map[string]string
	lines  map[string]int
	err    error
}

// read parses Java properties: key and value parted by "=", ":" or a space,
// comments with "#" or "!", a backslash to go on in the next line.
func (z *zooConfig) read(r io.Reader) error {
	in := bufio.NewScanner(r)
	text, first := "", 0
	for line := 1; in.Scan(); line++ {
		part := strings.TrimLeft(in.Text(), " \t\f")
		if text == "" {
			first = line
			if part == "" || part[0] == '#' || part[0] == '!' {
				continue
			}
		}
		text += part
		if strings.HasSuffix(text, `\`) {
			text = text[:len(text)-1]
			continue
		}
		end := strings.IndexAny(text, "=: \t")
		if end <= 0 {
			return fmt.Errorf("%s:%d: %q is not a key and a value", z.file, first, text)
		}
		// Keys that the server does not know become system properties, with
		// or without their prefix.
		key := strings.TrimPrefix(text[:end], "zookeeper.")
		value := strings.TrimLeft(text[end:], " \t")
		if value != "" && (value[0] == '=' || value[0] == ':') {
			value = value[1:]
		}
		z.values[key], z.lines[key] = strings.TrimSpace(value), first
		text = ""
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("%s: %w", z.file, err)
	}
	return nil
}

// take returns a value and marks its key as one that applies.
func (z *zooConfig) take(key string) string {
	v := z.values[key]
	delete(z.values, key)
	return v
}

func (z *zooConfig) fail(key, value, want string) {
	z.err = errors.Join(z.err, fmt.Errorf("%s:%d: %s is %q; it must be %s", z.file, z.lines[key], key, value, want))
}

func (z *zooConfig) milliseconds(key string) time.Duration {
	v := z.take(key)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < -1 || n > 1<<31-1 {
		z.fail(key, v, "a number of milliseconds")
	}
	return time.Duration(max(n, 0)) * time.Millisecond // -1 means the default
}

func (z *zooConfig) address(portKey, hostKey string) string {
	host, port := z.take(hostKey), z.take(portKey)
	if port == "" {
		return ""
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		z.fail(portKey, port, "a port")
	}
	return net.JoinHostPort(host, port)
}

// tls reads the key, certificates and trusted authorities of a secure port.
func (z *zooConfig) tls(needed bool) *tls.Config {
	key, trust, auth := z.take("ssl.keyStore.location"), z.take("ssl.trustStore.location"), z.take("ssl.clientAuth")
	if !needed {
		return nil
	}
	t := &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert}
	switch auth {
	case "", "need":
	case "want":
		t.ClientAuth = tls.VerifyClientCertIfGiven
	case "none":
		t.ClientAuth = tls.NoClientCert
	default:
		z.fail("ssl.clientAuth", auth, "need, want or none")
	}
	cert, err := tls.LoadX509KeyPair(key, key)
	if err != nil {
		z.fail("ssl.keyStore.location", key, fmt.Sprintf("a PEM file with a private key and its certificates (%v)", err))
	}
	t.Certificates = []tls.Certificate{cert}
	if t.ClientAuth != tls.NoClientCert {
		pem, err := os.ReadFile(trust)
		t.ClientCAs = x509.NewCertPool()
		if err != nil || !t.ClientCAs.AppendCertsFromPEM(pem) {
			z.fail("ssl.trustStore.location", trust, "a PEM file with the certificates of trusted authorities")
		}
	}
	return t
}

// warnings speaks of the keys that were not taken, in the order of the file.
func (z *zooConfig) warnings() []string {
	keys := make([]string, 0, len(z.values))
	for key := range z.values {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return z.lines[a] - z.lines[b] })
	all := make([]string, 0, len(keys))
	for _, key := range keys {
		all = append(all, fmt.Sprintf("%s:%d: %s has no effect on this server", z.file, z.lines[key], key))
	}
	return all
}
