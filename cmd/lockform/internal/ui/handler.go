package ui

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

//go:embed page.html.tmpl page.css page.js
var files embed.FS

// A Handler serves the page and the metrics.
type Handler struct {
	base   context.Context
	source Source
	local  bool   // it is reached from this machine alone
	host   string // that it was told to listen on
	survey *look[planned]
	mux    *http.ServeMux

	mu     sync.Mutex
	queues map[string]*look[Queues] // by ensemble
	closed bool
	looks  sync.WaitGroup
}

// New returns a Handler of what a Source sees, until base ends. Close must be
// called then. It listens at addr, as it was told by listen, "host:port". Where
// that is this machine alone it serves browsers that call it by a name of this
// machine: a page of somebody else's whose name leads here too gets nothing.
func New(base context.Context, source Source, listen string, addr net.Addr) *Handler {
	h := &Handler{base: base, source: source, mux: http.NewServeMux(), queues: map[string]*look[Queues]{}, local: Local(addr)}
	h.host, _, _ = net.SplitHostPort(listen)
	h.survey = newLook(surveyEvery, func(ctx context.Context) (planned, bool) {
		s := newPlanned(source.Survey(ctx))
		return s, failures(s.Problems) == 0
	})
	h.mux.HandleFunc("GET /{$}", h.page)
	h.mux.HandleFunc("GET /now", h.now)
	h.mux.HandleFunc("GET /metrics", h.metrics)
	h.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	h.mux.HandleFunc("GET /page.css", h.file)
	h.mux.HandleFunc("GET /page.js", h.file)
	return h
}

// Close waits for the looks that are under way. It begins no more.
func (h *Handler) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.looks.Wait()
}

// run runs f, a look, in a goroutine unless the Handler is closed.
func (h *Handler) run(f func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.looks.Go(f)
	}
	return !h.closed
}

// ensemble returns the look at the queues of an ensemble.
func (h *Handler) ensemble(name string) *look[Queues] {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.queues[name]
	if l == nil {
		l = newLook(queuesEvery, func(ctx context.Context) (Queues, bool) {
			q := h.source.Queues(ctx, name)
			return q, len(q.Problems) == 0
		})
		h.queues[name] = l
	}
	return l
}

// A sight is what was last seen of everything, and when: zero for what was not
// seen yet.
type sight struct {
	Queues   []ensemble
	Survey   planned
	SurveyAt time.Time
}

// An ensemble is what was last seen of its queues.
type ensemble struct {
	Name string
	Queues
	At time.Time
}

// read reports whether the queues were seen.
func (e *ensemble) read() bool { return !e.At.IsZero() && len(e.Problems) == 0 }

// see looks at everything at once, if it is time for it, and waits for what is
// seen as long as the looks' patience lasts.
func (h *Handler) see(ctx context.Context) (s sight) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.base, cancel)()
	names := h.source.Ensembles()
	looks := make([]*look[Queues], len(names))
	for i, name := range names {
		looks[i] = h.ensemble(name)
		looks[i].begin(h.base, h.run)
	}
	h.survey.begin(h.base, h.run)
	for i, l := range looks {
		e := ensemble{Name: names[i]}
		e.Queues, e.At = l.get(ctx)
		s.Queues = append(s.Queues, e)
	}
	s.Survey, s.SurveyAt = h.survey.get(ctx)
	return s
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache")
	if !h.known(r.Host) {
		http.Error(w, fmt.Sprintf("%q is not the name of this page; use the address that lockform ui has printed.", r.Host), http.StatusMisdirectedRequest)
		return
	}
	h.mux.ServeHTTP(w, r)
}

// known reports whether a request's Host is one that we are called by. Whoever
// listens on more than this machine has names that we do not know.
func (h *Handler) known(host string) bool {
	if !h.local {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host != "" && (strings.EqualFold(host, "localhost") || strings.EqualFold(host, h.host))
}

// Local reports whether an address is reached from this machine alone.
func Local(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// page serves the whole page.
func (h *Handler) page(w http.ResponseWriter, r *http.Request) { h.render(w, r, "page") }

// now serves what changes of it.
func (h *Handler) now(w http.ResponseWriter, r *http.Request) { h.render(w, r, "now") }

func (h *Handler) render(w http.ResponseWriter, r *http.Request, name string) {
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, name, newContent(h.see(r.Context()), r.URL.Query().Get("q"))); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(out.Bytes()) // whoever has gone away needs no error
}

func (h *Handler) file(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, files, strings.TrimPrefix(r.URL.Path, "/"))
}

func (h *Handler) metrics(w http.ResponseWriter, r *http.Request) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{h.see(r.Context())})
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}
