package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/zkfs/zkdev"
)

const devListen = "127.0.0.1:2181"

type devFlags struct {
	listen, config, data string
	cert, key, ca        string
}

func (a *app) dev() *cli.Command {
	var f devFlags
	return &cli.Command{
		Name: "dev", Usage: "serve an embedded ZooKeeper for trying things out",
		Description: `Serves ZooKeeper's protocol from memory until it is interrupted. It is for
development and tests only: one process, no quorum, nothing on disk but the file
of -data, which is written at the end.

With -listen=127.0.0.1:0 a free port is taken. The line LOCKFORM_SERVERS=host:port
of the output says which.

Examples:
  lockform dev
  lockform dev -listen=127.0.0.1:0 -data=tree.snapshot
  lockform dev -config=zoo.cfg -tls-cert=server.pem -tls-key=server.key -tls-ca=ca.pem`,
		Flags: []cli.Flag{
			cmdline.String("listen", "HOST:PORT", "the address to serve on (default "+devListen+")", &f.listen),
			cmdline.String("config", "FILE", "take port, tickTime, session timeouts and super user from a zoo.cfg", &f.config),
			cmdline.String("data", "FILE", "load the tree from this file, and save it there at the end", &f.data),
			cmdline.String("tls-cert", "FILE", "serve TLS with this certificate chain (PEM)", &f.cert),
			cmdline.String("tls-key", "FILE", "the key of the certificate (PEM)", &f.key),
			cmdline.String("tls-ca", "FILE", "ask clients for a certificate of these authorities (PEM)", &f.ca),
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := cmdline.NoArgs(cmd); err != nil {
				return err
			}
			switch {
			case (f.cert == "") != (f.key == ""):
				return cmdline.Usage(cmd, "-tls-cert and -tls-key belong together")
			case f.ca != "" && f.cert == "":
				return cmdline.Usage(cmd, "-tls-ca needs -tls-cert and -tls-key")
			}
			return a.serve(ctx, &f)
		},
	}
}

func (a *app) serve(ctx context.Context, f *devFlags) error {
	cfg, warnings, err := f.server()
	if err != nil {
		return err
	}
	for _, w := range warnings {
		a.log.Warn(w)
	}
	cfg.Logger = a.log.Named("zkdev")
	s, err := zkdev.Start(cfg)
	if err != nil {
		detail := sentence(err.Error())
		if errors.As(err, new(*net.OpError)) {
			detail += "\nChoose another address with -listen; port 0 takes a free one."
		}
		return &fault{summary: "the embedded server cannot start", detail: detail, err: err}
	}
	addr := reachable(s.Addr())
	fmt.Fprintf(a.Out, "lockform dev: an embedded ZooKeeper, for development and tests only, never for production.\n")
	where := s.Addr()
	if secure := s.SecureAddr(); secure != "" {
		where += " and, with TLS, on " + secure
	}
	keeps := "keeps everything in memory"
	if cfg.Data != "" {
		keeps = "saves the tree in " + cfg.Data + " when it stops"
	}
	fmt.Fprintf(a.Out, "It listens on %s and %s. Stop it with ^C.\n\n", where, keeps)
	fmt.Fprintf(a.Out, "  export LOCKFORM_SERVERS=%s\n", addr)
	<-ctx.Done()
	if err := s.Close(); err != nil {
		return &fault{summary: "the embedded server did not stop well", detail: sentence(err.Error()), err: err}
	}
	return nil
}

// server returns the server that the zoo.cfg and the flags ask for, and what of
// the zoo.cfg has no effect.
func (f *devFlags) server() (cfg zkdev.Config, warnings []string, err error) {
	if f.config != "" {
		file, err := os.Open(f.config)
		if err != nil {
			return cfg, nil, err
		}
		defer file.Close()
		if cfg, warnings, err = zkdev.ReadConfig(file, f.config); err != nil {
			return cfg, nil, err
		}
	}
	if f.listen != "" {
		cfg.Listen = f.listen
	}
	if cfg.Listen == "" {
		cfg.Listen = devListen
	}
	if cfg.Listen[0] == ':' && f.listen == "" {
		cfg.Listen = "127.0.0.1" + cfg.Listen // it stays at home unless it is told to serve others
	}
	if f.data != "" {
		cfg.Data = f.data
	}
	if f.cert != "" {
		cfg.SecureListen = ""
		cfg.TLS, err = f.tls()
	}
	return cfg, warnings, err
}

func (f *devFlags) tls() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("-tls-cert and -tls-key: %w", err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if f.ca == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, fmt.Errorf("-tls-ca: %w", err)
	}
	cfg.ClientCAs = x509.NewCertPool()
	if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("-tls-ca: %s has no PEM certificate", f.ca)
	}
	cfg.ClientAuth = tls.RequireAndVerifyClientCert
	return cfg, nil
}

// reachable returns an address that a client of this host can use for what is
// listened on.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}
