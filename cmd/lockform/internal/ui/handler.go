package ui

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	queuesEvery = time.Second
	surveyEvery = 15 * time.Second
	// lookLimit is how long one look may take: a server that says nothing is
	// given up then, and the page says so.
	lookLimit = 20 * time.Second
)

//go:embed page.html.tmpl page.css page.js
var files embed.FS

// A Handler serves the page and the metrics.
type Handler struct {
	base   context.Context
	host   string // it listens on; "" is every one
	queues *look[Queues]
	survey *look[planned]
	mux    *http.ServeMux
}

// New returns a Handler of what a Source sees, until base ends. It serves
// browsers that call it by the name of the address on which it listens,
// "host:port": a page of somebody else's whose name leads here too gets
// nothing.
func New(base context.Context, source Source, listen string) *Handler {
	h := &Handler{
		base: base, mux: http.NewServeMux(),
		queues: newLook(queuesEvery, lookLimit, source.Queues),
		survey: newLook(surveyEvery, lookLimit, func(ctx context.Context) planned { return newPlanned(source.Survey(ctx)) }),
	}
	h.host, _, _ = net.SplitHostPort(listen)
	h.mux.HandleFunc("GET /{$}", h.page)
	h.mux.HandleFunc("GET /now", h.now)
	h.mux.HandleFunc("GET /metrics", h.metrics)
	h.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	h.mux.HandleFunc("GET /page.css", h.file)
	h.mux.HandleFunc("GET /page.js", h.file)
	return h
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
	if !Loopback(h.host) {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return Loopback(strings.Trim(host, "[]"))
}

// Loopback reports whether a host, without its port, is this machine for itself
// alone.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// page serves the whole page.
func (h *Handler) page(w http.ResponseWriter, r *http.Request) { h.render(w, r, "page") }

// now serves what changes of it.
func (h *Handler) now(w http.ResponseWriter, r *http.Request) { h.render(w, r, "now") }

func (h *Handler) render(w http.ResponseWriter, r *http.Request, name string) {
	data, err := h.content(r.Context(), r.FormValue("q"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	// A page that has not changed is not sent again.
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(out.Bytes()))
	w.Header().Set("ETag", tag)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(out.Bytes()) // whoever has gone away needs no error
}

func (h *Handler) file(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, files, strings.TrimPrefix(r.URL.Path, "/"))
}

func (h *Handler) metrics(w http.ResponseWriter, r *http.Request) {
	queues, at, err := h.queues.get(r.Context(), h.base)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	survey, surveyed, err := h.survey.get(r.Context(), h.base)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{queues, at, survey, surveyed})
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}
