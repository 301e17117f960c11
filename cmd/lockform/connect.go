package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// A link is the session of this run with one ensemble.
type link struct {
	*zkconn.Session
	ensemble layout.Ensemble
}

// name returns the name of the ensemble.
func (l *link) name() string { return l.ensemble.Name }

// closing returns a context for cleaning up after ctx: it ends after two
// seconds, and after a moment when a second ^C asked for an end at once.
func (a *app) closing(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := 2 * time.Second
	if a.hard.Err() != nil {
		limit = 100 * time.Millisecond
	}
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// connect opens a session with each ensemble, all at once. The function closes
// them; it must be called when the error is nil.
func (a *app) connect(ctx context.Context, ensembles []layout.Ensemble) ([]*link, func(), error) {
	progress := a.Progress("Connecting")
	defer progress.Stop()
	links, errs := a.reach(ctx, ensembles)
	closeAll := func() { a.disconnect(ctx, links...) }
	if err := together(errs); err != nil {
		closeAll()
		return nil, nil, err
	}
	return links, closeAll, nil
}

// reach opens a session with each ensemble that can be reached, all at once, and
// says why others cannot.
func (a *app) reach(ctx context.Context, ensembles []layout.Ensemble) ([]*link, []error) {
	links, errs := make([]*link, len(ensembles)), make([]error, len(ensembles))
	var wg sync.WaitGroup
	for i, e := range ensembles {
		wg.Go(func() { links[i], errs[i] = a.open(ctx, e) })
	}
	wg.Wait()
	return slices.DeleteFunc(links, func(l *link) bool { return l == nil }), errs
}

// disconnect closes sessions, all at once.
func (a *app) disconnect(ctx context.Context, links ...*link) {
	ctx, cancel := a.closing(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, l := range links {
		wg.Go(func() {
			if err := l.Close(ctx); err != nil {
				a.log.Debug("close the session", "ensemble", l.name(), "error", err)
			}
		})
	}
	wg.Wait()
}

// together returns one error that shows the problems of all, nil when there
// is none.
func together(errs []error) error {
	all := &plan.Error{Err: errors.Join(errs...)}
	if all.Err == nil {
		return nil
	}
	for _, err := range errs {
		if err != nil {
			all.Problems = append(all.Problems, problems(err)...)
		}
	}
	return all
}

func (a *app) open(ctx context.Context, e layout.Ensemble) (*link, error) {
	cfg, err := connConfig(e)
	if err != nil {
		return nil, err
	}
	cfg.Logger = a.log.Named("zkconn")
	s, err := zkconn.Open(ctx, cfg)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, context.Cause(ctx)
		}
		return nil, ensembleFault(ctx, "connect to", e, err)
	}
	return &link{s, e}, nil
}

// connConfig returns how to reach an ensemble as it is declared.
func connConfig(e layout.Ensemble) (zkconn.Config, error) {
	cfg := zkconn.Config{
		Servers: connectString(e.Servers, e.Chroot), SessionTimeout: e.SessionTimeout, ConnectTimeout: e.ConnectTimeout, TickTime: e.TickTime,
	}
	for _, c := range e.Auth {
		cfg.Auth = append(cfg.Auth, zkconn.Digest(c.Username, string(c.Password)))
	}
	var err error
	if e.TLS != nil {
		cfg.TLS, err = tlsConfig(e)
	}
	return cfg, err
}

func tlsConfig(e layout.Ensemble) (*tls.Config, error) {
	t := e.TLS
	bad := func(what, file string, err error) error {
		return &fault{
			summary: fmt.Sprintf("the %s of the ensemble %q cannot be used", what, e.Name),
			where:   e.Pos,
			detail:  fmt.Sprintf("%s: %v.\nName a PEM file in the tls block.", file, err), err: err,
		}
	}
	cfg := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, bad("ca_file", t.CAFile, errors.Unwrap(err))
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, bad("ca_file", t.CAFile, errors.New("it has no PEM certificate"))
		}
	}
	if t.CertFile != "" || t.KeyFile != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, bad("cert_file and key_file", t.CertFile+", "+t.KeyFile, err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return cfg, nil
}

// ensembleFault tells that something cannot be done with an ensemble, and what
// to look at. When ctx has ended its cause is told in place of err.
func ensembleFault(ctx context.Context, what string, e layout.Ensemble, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	detail := sentence(err.Error())
	if advice := advice(err); advice != "" {
		detail += "\n" + advice
	}
	return &fault{summary: fmt.Sprintf("cannot %s the ensemble %q", what, e.Name), where: e.Pos, detail: detail, err: err}
}

// advice returns what to look at after an error of ZooKeeper, "" when its own
// words say it.
func advice(err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case errors.As(err, &unknown):
		return "The server's certificate is not signed by the authority in ca_file; check the tls block, and whether this is the right server."
	case errors.As(err, &host):
		return "The server's certificate is for another name; use that name in servers, or set server_name in the tls block."
	case errors.Is(err, zkfs.ErrAuthFailed):
		return "Check the auth and tls blocks of the ensemble."
	case errors.Is(err, zkfs.ErrNoAuth):
		return "None of the identities of this run has the permission. ZooKeeper accepts any digest password and then refuses what it does not give access to: check the auth block first."
	case errors.Is(err, zkfs.ErrUnavailable):
		return "Check that a ZooKeeper server runs there, and what -servers or the ensemble block names."
	case errors.Is(err, zkfs.ErrSessionOver):
		return "The session ended before the work did; run the command again."
	}
	return ""
}

// sentence makes a sentence of an error's text.
func sentence(s string) string {
	if s == "" || strings.HasSuffix(s, ".") {
		return capital(s)
	}
	return capital(s) + "."
}
