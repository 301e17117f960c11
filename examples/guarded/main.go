// Guarded is a small HTTP store that lets only the latest holder of a lock in:
// every request carries the fencing token of the lock under which it is made,
// and one that is lower than what the store has seen is refused. README.md says
// why a lock alone does not do that.
//
//	guarded [-listen=HOST:PORT] [-file=FILE]
//
// GET /KEY and PUT /KEY need the header Lockform-Token, from LOCKFORM_TOKEN, and
// take Lockform-Mode, from LOCKFORM_MODE; without it the hold is exclusive. A
// stale token is answered with 409 Conflict.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// maxValue is the size of the largest value in bytes.
const maxValue = 1 << 20

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`HOST:PORT` to serve")
	file := flag.String("file", "guarded.jsonl", "`FILE` that keeps values and tokens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *file); err != nil {
		fmt.Fprintf(os.Stderr, "Error: %v\n", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, listen, file string) error {
	s, err := openStore(file)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return errors.Join(err, s.close())
	}
	fmt.Printf("serving http://%s\n", l.Addr())
	server := &http.Server{Handler: handler(s), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second}
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(stopped)
		limited, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(limited) // what is not done by then is cut off
	})
	err = server.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		<-stopped
		err = nil
	}
	return errors.Join(err, s.close())
}

// handler serves the keys of a store.
func handler(s *store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{key}", func(w http.ResponseWriter, r *http.Request) {
		token, shared, ok := hold(w, r)
		if !ok {
			return
		}
		value, err := s.get(r.PathValue("key"), token, shared)
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(value) // a client that has gone needs no answer
	})
	mux.HandleFunc("PUT /{key}", func(w http.ResponseWriter, r *http.Request) {
		token, shared, ok := hold(w, r)
		if !ok {
			return
		}
		if shared {
			http.Error(w, "a shared hold may read, not write", http.StatusForbidden)
			return
		}
		value, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxValue))
		if err == nil {
			err = s.put(r.PathValue("key"), token, value)
		}
		if err != nil {
			refuse(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// hold reads under which hold a request is made. False means that it was
// answered.
func hold(w http.ResponseWriter, r *http.Request) (token int64, shared, ok bool) {
	header := r.Header.Get("Lockform-Token")
	if header == "" {
		http.Error(w, "the header Lockform-Token is missing: take the lock, and send its LOCKFORM_TOKEN", http.StatusPreconditionRequired)
		return 0, false, false
	}
	token, err := strconv.ParseInt(header, 10, 64)
	if err != nil || token <= 0 {
		http.Error(w, fmt.Sprintf("%q is not a fencing token", header), http.StatusBadRequest)
		return 0, false, false
	}
	switch mode := r.Header.Get("Lockform-Mode"); mode {
	case "", "exclusive":
		return token, false, true
	case "shared":
		return token, true, true
	default:
		// Of a semaphore the later holder is not the only one.
		http.Error(w, fmt.Sprintf("the token of a hold of mode %q fences nothing", mode), http.StatusBadRequest)
		return 0, false, false
	}
}

// refuse answers with the status that belongs to an error.
func refuse(w http.ResponseWriter, err error) {
	var stale *staleError
	var large *http.MaxBytesError
	code := http.StatusInternalServerError
	switch {
	case errors.As(err, &stale):
		code = http.StatusConflict
	case errors.Is(err, errNoValue):
		code = http.StatusNotFound
	case errors.As(err, &large):
		code = http.StatusRequestEntityTooLarge
	}
	http.Error(w, err.Error(), code)
}
