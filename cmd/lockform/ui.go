package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	w := &watcher{app: &quiet, flags: f, layout: l, links: map[string]*link{}}
	base, cancel := context.WithCancelCause(ctx)
	handler := ui.New(base, w, listen, listener.Addr())
	defer w.close()
	defer handler.Close()
	defer cancel(errInterrupted)
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: a.log.Named("http").StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprintf(a.Out, "lockform ui: http://%s/ shows the layout %q. Stop it with ^C.\n", reachable(listener.Addr().String()), l.Name)
	if !ui.Local(listener.Addr()) {
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
type watcher struct {
	app   *app // without streams
	flags *layoutFlags

	mu     sync.Mutex
	layout *layout.Layout   // the last one that was right
	links  map[string]*link // sessions that are kept between two looks at queues, by ensemble
}

func (w *watcher) current() *layout.Layout {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.layout
}

// Ensembles returns the names of the ensembles.
func (w *watcher) Ensembles() []string {
	var names []string
	for _, e := range w.current().Ensembles {
		names = append(names, e.Name)
	}
	return names
}

// Queues reads the managed tree of an ensemble and the queues in it.
func (w *watcher) Queues(ctx context.Context, name string) (q ui.Queues) {
	l := w.current()
	i := slices.IndexFunc(l.Ensembles, func(e layout.Ensemble) bool { return e.Name == name })
	if i < 0 {
		return q // it has just gone from the configuration
	}
	link, err := w.session(ctx, l.Ensembles[i])
	if err == nil {
		if q.Nodes, err = w.app.look(ctx, link, l.Ledger, len(l.Ensembles) > 1); err != nil {
			err = ensembleFault(ctx, "read", l.Ensembles[i], err)
		}
	}
	q.Problems = problems(err)
	return q
}

// session returns the session with an ensemble that is kept, or a new one. One
// goroutine at a time asks for that of an ensemble.
func (w *watcher) session(ctx context.Context, e layout.Ensemble) (*link, error) {
	w.mu.Lock()
	kept := w.links[e.Name]
	w.mu.Unlock()
	if kept != nil {
		if kept.Err() == nil && reflect.DeepEqual(kept.ensemble, e) {
			return kept, nil
		}
		w.keep(ctx, e.Name, nil)
	}
	l, err := w.app.open(ctx, e)
	if err != nil {
		return nil, err
	}
	w.keep(ctx, e.Name, l)
	return l, nil
}

// keep puts a session, which may be nil, in the place of the one that is kept.
func (w *watcher) keep(ctx context.Context, name string, l *link) {
	w.mu.Lock()
	before := w.links[name]
	if l == nil {
		delete(w.links, name)
	} else {
		w.links[name] = l
	}
	w.mu.Unlock()
	if before != nil {
		w.app.disconnect(ctx, before)
	}
}

// close ends the sessions. Nobody looks any more.
func (w *watcher) close() { w.app.disconnect(w.app.soft, slices.Collect(maps.Values(w.links))...) }

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
// examines the ensembles. Its sessions are its own: one that hangs tells nothing
// of the servers, and a new one does so within the connect timeout.
func (w *watcher) Survey(ctx context.Context) (s ui.Survey) {
	s.Problems = w.reload(ctx)
	l := w.current()
	s.Layout = l.Name
	var wg sync.WaitGroup
	var examined error
	wg.Go(func() {
		report, err := w.app.examination(ctx, l)
		if examined = late(ctx, "the ensembles could not be examined", err); err == nil {
			s.Report = &report
		}
	})
	links, errs := w.app.reach(ctx, l.Ensembles)
	if len(links) == len(l.Ensembles) {
		var err error
		s.Plan, err = w.app.compare(ctx, l, links, plan.Options{Created: time.Now().UTC().Truncate(time.Second)})
		errs = append(errs, late(ctx, "no plan could be made", err))
	}
	for _, link := range links {
		runs, err := plan.ReadHistory(ctx, link, l.Ledger)
		if err != nil {
			errs = append(errs, ensembleFault(ctx, "read the history of", link.ensemble, err))
		}
		for _, r := range runs {
			s.Runs = append(s.Runs, ui.Run{
				Ensemble: link.name(), Serial: r.Serial, Started: r.Started, By: r.By(),
				Commit: shortCommit(r.Commit), Plan: shortDigest(r.Plan), Result: result(r), Done: r.Done,
			})
		}
	}
	slices.SortStableFunc(s.Runs, func(a, b ui.Run) int { return b.Started.Compare(a.Started) })
	w.app.disconnect(ctx, links...)
	wg.Wait()
	s.Problems = append(s.Problems, faults(append(errs, examined))...)
	return s
}

// late tells what could not be done because ctx has ended, and any other error
// as it is.
func late(ctx context.Context, what string, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return &fault{summary: what, detail: sentence(context.Cause(ctx).Error()), err: err}
}

// reload reads the configuration as it is now, and returns what is to be said of
// it. While it is wrong, the last one that was not stays.
func (w *watcher) reload(ctx context.Context) (said []plan.Problem) {
	l, diags, err := w.app.read(ctx, w.app.options(ctx, w.flags))
	if err != nil {
		return problems(err)
	}
	for i := range diags {
		said = append(said, problem(diags[i]))
	}
	if diags.HasErrors() {
		return said
	}
	w.mu.Lock()
	w.layout = l
	var gone []string
	for name := range w.links {
		if !slices.ContainsFunc(l.Ensembles, func(e layout.Ensemble) bool { return e.Name == name }) {
			gone = append(gone, name)
		}
	}
	w.mu.Unlock()
	for _, name := range gone {
		w.keep(ctx, name, nil)
	}
	return said
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
