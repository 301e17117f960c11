package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/cmd/lockform/internal/live"
	"github.com/lockform/lockform/cmd/lockform/internal/term"
	"github.com/lockform/lockform/cmd/lockform/internal/ui"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

const uiListen = "127.0.0.1:8370"

func (a *app) ui() *cli.Command {
	var f layoutFlags
	listen := uiListen
	return &cli.Command{
		Name: "ui", Usage: "serve a web page of the layout, and metrics",
		Description: `Serves a page with the tree of the layout and who holds and waits for its locks
now, drift and changes against the configuration, the history of applies, and the
health of the ensembles, until it is interrupted. The page keeps itself up to date;
ensembles are read while somebody looks, and nothing is ever written.

/metrics has the same as figures for Prometheus: queues, drift, changes, findings
of "lockform doctor", and the latest apply; they name ensembles and servers, no
locks. /healthz answers "ok".

Whoever reaches the address sees all of it: there are no passwords. It listens on
this machine alone unless -listen says otherwise. The configuration is read again
when the page is; what is wrong with it stands there.

Examples:
  lockform ui
  lockform ui -listen=127.0.0.1:0
  curl -s http://127.0.0.1:8370/metrics`,
		Flags: append([]cli.Flag{cmdline.String("listen", "HOST:PORT", "the address to serve on (default "+uiListen+"); port 0 takes a free one", &listen)}, f.connecting()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := cmdline.NoArgs(cmd); err != nil {
				return err
			}
			return a.serveUI(ctx, &f, listen)
		},
	}
}

func (a *app) serveUI(ctx context.Context, f *layoutFlags, listen string) error {
	l, err := a.load(ctx, f)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return &fault{summary: "the page cannot be served", detail: sentence(err.Error()) + "\nChoose another address with -listen; port 0 takes a free one.", err: err}
	}
	// What was asked for on the terminal is known now; nobody is there later.
	f.input = false
	quiet := *a
	quiet.Streams = &term.Streams{}
	w := &watcher{app: &quiet, flags: f, layout: l}
	base, cancel := context.WithCancelCause(ctx)
	defer w.close()
	defer cancel(errInterrupted)
	server := &http.Server{
		Handler: ui.New(base, w, listen), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: a.log.Named("http").StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprintf(a.Out, "lockform ui: http://%s/ shows the layout %q. Stop it with ^C.\n", reachable(listener.Addr().String()), l.Name)
	if host, _, _ := net.SplitHostPort(listen); !ui.Loopback(host) {
		fmt.Fprintf(a.Err, "Whoever reaches %s sees the locks, their holders and the history: the page has no passwords.\n", listener.Addr())
	}
	select {
	case err := <-served:
		return &fault{summary: "the page is not served any more", detail: sentence(err.Error()), err: err}
	case <-ctx.Done():
	}
	stopping, cancelStopping := a.closing(ctx)
	defer cancelStopping()
	if err := server.Shutdown(stopping); err != nil {
		err = errors.Join(err, server.Close())
		a.log.Debug("answers were cut off", "error", err)
	}
	<-served
	return nil
}

// A watcher looks at the ensembles of the layout again and again, for the page.
// Sessions are kept between two looks.
type watcher struct {
	app   *app // without streams
	flags *layoutFlags

	mu     sync.Mutex // one look at a time
	layout *layout.Layout
	links  []*link
}

// Queues reads the managed trees and the queues in them.
func (w *watcher) Queues(ctx context.Context) (q ui.Queues) {
	w.mu.Lock()
	defer w.mu.Unlock()
	links, errs := w.connect(ctx)
	found := make([][]ui.Node, len(links))
	failed := make([]error, len(links))
	var wg sync.WaitGroup
	for i, l := range links {
		wg.Go(func() { found[i], failed[i] = w.app.look(ctx, l, w.layout.Ledger, len(w.layout.Ensembles) > 1) })
	}
	wg.Wait()
	for i, l := range links {
		if failed[i] == nil {
			q.Ensembles = append(q.Ensembles, l.name())
			q.Nodes = append(q.Nodes, found[i]...)
		}
	}
	q.Problems = faults(append(errs, failed...))
	return q
}

// look reads what the layout owns in one ensemble, with the queues of its locks.
func (a *app) look(ctx context.Context, l *link, ledger zkfs.Path, several bool) ([]ui.Node, error) {
	read, err := plan.ReadLedger(ctx, l, ledger)
	if err != nil {
		return nil, err
	}
	managed, err := plan.List(ctx, l, read, false)
	if err != nil {
		return nil, err
	}
	tree := plan.Tree{Ensemble: l.name(), Ledger: read, Nodes: managed}
	locks, err := treeLocks(ctx, l, tree, several)
	if err != nil {
		return nil, err
	}
	queue := make(map[zkfs.Path]*live.Lock, len(locks))
	for i := range locks {
		queue[locks[i].Queue.Path] = &locks[i]
	}
	var nodes []ui.Node
	for _, n := range managed {
		if n.Managed {
			nodes = append(nodes, ui.Node{Ensemble: l.name(), Kind: n.Record.Kind, Address: n.Record.Address, Path: n.Path, Lock: queue[n.Path]})
		}
	}
	return nodes, nil
}

// Survey reads the configuration again, compares it with the live trees, and
// examines the ensembles.
func (w *watcher) Survey(ctx context.Context) (s ui.Survey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { s.Layout = w.layout.Name }()
	if err := w.reload(ctx, &s); err != nil {
		s.Problems = append(s.Problems, problems(err)...)
	}
	l := w.layout
	links, errs := w.connect(ctx)
	if len(links) == len(l.Ensembles) {
		p, err := w.app.compare(ctx, l, links, plan.Options{Created: time.Now().UTC().Truncate(time.Second)})
		if s.Plan = p; err != nil {
			errs = append(errs, err)
		}
	}
	for _, link := range links {
		runs, err := plan.ReadHistory(ctx, link, l.Ledger)
		if err != nil {
			errs = append(errs, err)
		}
		for _, r := range runs {
			s.Runs = append(s.Runs, ui.Run{
				Ensemble: link.name(), Serial: r.Serial, Started: r.Started, By: r.By(),
				Commit: shortCommit(r.Commit), Plan: shortDigest(r.Plan), Result: result(r), Done: r.Done,
			})
		}
	}
	slices.SortStableFunc(s.Runs, func(a, b ui.Run) int { return b.Started.Compare(a.Started) })
	report, err := w.app.examination(ctx, l)
	if err != nil {
		errs = append(errs, err)
	}
	s.Report = report
	s.Problems = append(s.Problems, faults(errs)...)
	return s
}

// reload reads the configuration as it is now. While it is wrong, the last one
// that was not stays.
func (w *watcher) reload(ctx context.Context, s *ui.Survey) error {
	l, diags, err := w.app.read(ctx, w.app.options(ctx, w.flags))
	if err != nil {
		return err
	}
	for i := range diags {
		s.Problems = append(s.Problems, problem(diags[i]))
	}
	if !diags.HasErrors() {
		w.layout = l
	}
	return nil
}

// connect returns a session with each ensemble that can be reached, as it is
// declared now, and why others cannot. w.mu is held.
func (w *watcher) connect(ctx context.Context) ([]*link, []error) {
	var kept []*link
	for _, l := range w.links {
		if l.Err() == nil && slices.ContainsFunc(w.layout.Ensembles, func(e layout.Ensemble) bool { return reflect.DeepEqual(e, l.ensemble) }) {
			kept = append(kept, l)
			continue
		}
		w.app.disconnect(ctx, l)
	}
	links, errs := make([]*link, len(w.layout.Ensembles)), make([]error, len(w.layout.Ensembles))
	var wg sync.WaitGroup
	for i, e := range w.layout.Ensembles {
		if k := slices.IndexFunc(kept, func(l *link) bool { return l.name() == e.Name }); k >= 0 {
			links[i] = kept[k]
			continue
		}
		wg.Go(func() { links[i], errs[i] = w.app.open(ctx, e) })
	}
	wg.Wait()
	w.links = slices.DeleteFunc(links, func(l *link) bool { return l == nil })
	return w.links, errs
}

// close ends the sessions.
func (w *watcher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.links {
		w.app.disconnect(w.app.soft, l)
	}
	w.links = nil
}

// disconnect closes a session.
func (a *app) disconnect(ctx context.Context, l *link) {
	ctx, cancel := a.closing(ctx)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		a.log.Debug("close the session", "ensemble", l.name(), "error", err)
	}
}

// faults returns what errors say, each once.
func faults(errs []error) (all []plan.Problem) {
	for _, err := range errs {
		for _, p := range problems(err) {
			if !slices.ContainsFunc(all, func(q plan.Problem) bool { return q.Summary == p.Summary && q.Detail == p.Detail }) {
				all = append(all, p)
			}
		}
	}
	return all
}
