package doctor

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/lockform/lockform/zkfs"
)

// words are the four-letter words that a doctor asks. Those that list all
// sessions or watches are left out: on a large server they cost too much.
var words = []string{"conf", "envi", "isro", "mntr", "ruok", "srvr", "wchs"}

// A Server is what one server says of itself. Numbers are -1 where it does not
// say.
type Server struct {
	Address      string   `json:"address"` // host:port
	Reachable    bool     `json:"reachable"`
	Serving      bool     `json:"serving"` // it belongs to a quorum
	Problem      string   `json:"problem,omitempty"`
	Mode         string   `json:"mode,omitempty"` // standalone, leader, follower, observer or read-only
	Version      string   `json:"version,omitempty"`
	Latency      Latency  `json:"latency_ms"`
	Outstanding  int64    `json:"outstanding_requests"`
	Connections  int64    `json:"connections"`
	TickTime     int64    `json:"tick_time_ms"`
	MinSession   int64    `json:"min_session_timeout_ms"`
	MaxSession   int64    `json:"max_session_timeout_ms"`
	Quorum       int64    `json:"quorum_size"` // voters of the ensemble, as a leader tells
	Synced       int64    `json:"synced_followers"`
	WordsAllowed []string `json:"words_allowed"`
	WordsRefused []string `json:"words_refused"`
}

// Latency is how long requests took since the server's start, in milliseconds.
type Latency struct {
	Min float64 `json:"min"`
	Avg float64 `json:"avg"`
	Max float64 `json:"max"`
}

// An Asker sends a four-letter word to a server and returns the answer. A word
// that is not allowed is zkfs.ErrNoAuth.
type Asker func(ctx context.Context, host, word string) (string, error)

// notServing is what a server without quorum answers to most words.
const notServing = "not currently serving requests"

// Servers asks all servers at once. It takes as long as the slowest answer to
// one word, and that of another word from a server that did answer.
func Servers(ctx context.Context, hosts []string, ask Asker) []Server {
	all := make([]Server, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { all[i] = examine(ctx, h, ask) })
	}
	wg.Wait()
	return all
}

// examine asks one server. The first word finds out whether it is there; the
// others are asked at once, so that a server that accepts and is silent costs
// one time limit.
func examine(ctx context.Context, host string, ask Asker) Server {
	s := Server{
		Address: host, Latency: Latency{-1, -1, -1}, Outstanding: -1, Connections: -1, TickTime: -1, MinSession: -1, MaxSession: -1,
		Quorum: -1, Synced: -1, WordsAllowed: []string{}, WordsRefused: []string{},
	}
	answers, errs := make([]string, len(words)), make([]error, len(words))
	first := slices.Index(words, "srvr")
	answers[first], errs[first] = ask(ctx, host, words[first])
	switch {
	case errs[first] != nil && !errors.Is(errs[first], zkfs.ErrNoAuth):
		s.Problem = strings.TrimPrefix(strings.TrimPrefix(errs[first].Error(), zkfs.ErrUnavailable.Error()+": "), host+": ")
		return s
	case errs[first] == nil && !strings.HasPrefix(answers[first], "Zookeeper version:") && !strings.Contains(answers[first], notServing):
		s.Problem = "what answers there is no ZooKeeper server, or one that takes other connections at this port"
		return s
	}
	s.Reachable = true
	var wg sync.WaitGroup
	for i, w := range words {
		if i != first {
			wg.Go(func() { answers[i], errs[i] = ask(ctx, host, w) })
		}
	}
	wg.Wait()
	known := map[string]string{}
	for i, w := range words {
		switch {
		case errs[i] == nil:
			s.WordsAllowed = append(s.WordsAllowed, w)
			known[w] = answers[i]
		case errors.Is(errs[i], zkfs.ErrNoAuth):
			s.WordsRefused = append(s.WordsRefused, w)
		}
	}
	s.read(known)
	return s
}

// read takes what the answers tell.
func (s *Server) read(answers map[string]string) {
	// A server that refuses the words that would tell is taken to serve.
	s.Serving = true
	for _, w := range []string{"srvr", "mntr"} {
		if strings.Contains(answers[w], notServing) {
			s.Serving = false
			s.Problem = "it does not belong to a quorum"
			return
		}
	}
	srvr, mntr, conf := fields(answers["srvr"], ": "), fields(answers["mntr"], "\t"), fields(answers["conf"], "=")
	s.Mode, s.Version = srvr["Mode"], versionOf(srvr["Zookeeper version"])
	if s.Mode == "" {
		s.Mode = mntr["zk_server_state"]
	}
	if s.Version == "" {
		s.Version = versionOf(mntr["zk_version"])
	}
	if parts := strings.Split(srvr["Latency min/avg/max"], "/"); len(parts) == 3 {
		s.Latency = Latency{number(parts[0]), number(parts[1]), number(parts[2])}
	} else if mntr["zk_avg_latency"] != "" {
		s.Latency = Latency{number(mntr["zk_min_latency"]), number(mntr["zk_avg_latency"]), number(mntr["zk_max_latency"])}
	}
	for _, f := range []struct {
		to   *int64
		text []string
	}{
		{&s.Outstanding, []string{srvr["Outstanding"], mntr["zk_outstanding_requests"]}},
		{&s.Connections, []string{srvr["Connections"], mntr["zk_num_alive_connections"]}},
		{&s.TickTime, []string{conf["tickTime"]}},
		{&s.MinSession, []string{conf["minSessionTimeout"]}},
		{&s.MaxSession, []string{conf["maxSessionTimeout"]}},
		{&s.Quorum, []string{mntr["zk_quorum_size"]}},
		{&s.Synced, []string{mntr["zk_synced_followers"]}},
	} {
		for _, text := range f.text {
			if text != "" && *f.to < 0 {
				*f.to = int64(number(text))
			}
		}
	}
	if strings.TrimSpace(answers["isro"]) == "ro" {
		s.Mode = "read-only"
	}
}

// fields reads lines of a name and a value.
func fields(text, separator string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, separator); ok {
			all[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return all
}

// number reads a number; -1 where there is none.
func number(text string) float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return -1
	}
	return n
}

// versionOf returns the release of a version line such as
// "3.8.0-5a02a05, built on 2022-02-25 08:49 UTC". Debian's has the name of a
// variable in place of the commit.
func versionOf(line string) string {
	v, _, _ := strings.Cut(line, ",")
	v, _, _ = strings.Cut(v, "--")
	v, _, _ = strings.Cut(v, "-$")
	return strings.TrimSpace(v)
}
