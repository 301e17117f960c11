package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What is slow or too much, in servers that otherwise work.
const (
	slowAverage     = 50.0 // milliseconds
	manyOutstanding = 100  // requests; a server refuses to read more at 1,000 (globalOutstandingLimit)
)

// A Wish is what the configuration expects of the servers of an ensemble.
type Wish struct {
	Ensemble string
	TickTime time.Duration // on which the margin of the lease rests
	Session  time.Duration // that is asked for
}

// Judge finds what is wrong with the servers of one ensemble.
func Judge(w Wish, servers []Server) []Finding {
	j := &judge{Wish: w, servers: servers}
	for i := range servers {
		j.server(&servers[i])
	}
	j.quorum()
	j.versions()
	return j.findings
}

// Quorum reports whether a server serves requests.
func Quorum(servers []Server) bool {
	return slices.ContainsFunc(servers, func(s Server) bool { return s.Serving && s.Mode != "read-only" })
}

type judge struct {
	Wish
	servers  []Server
	findings []Finding
}

func (j *judge) add(severity Severity, check, server, summary, remedy string) {
	j.findings = append(j.findings, Finding{
		Severity: severity, Check: check, Ensemble: j.Ensemble, Server: server, Paths: []string{}, Summary: summary, Remedy: remedy,
	})
}

// server judges one server by itself.
func (j *judge) server(s *Server) {
	switch {
	case !s.Reachable:
		j.add(Warning, "reachable", s.Address, "The server cannot be reached: "+s.Problem,
			"Start it, or take it out of the ensemble's servers. Clients lose time with it whenever they connect.")
		return
	case !s.Serving:
		j.add(Error, "quorum", s.Address, "The server does not belong to a quorum and serves no requests",
			"Look at its log: it does not reach a majority of the ensemble, or its data directory belongs to another one.")
		return
	case s.Mode == "read-only":
		j.add(Error, "quorum", s.Address, "The server has lost its quorum and is read-only",
			"Bring enough of the other servers back. Until then no lock can be taken through it.")
	}
	j.words(s)
	if s.Latency.Avg > slowAverage {
		j.add(Warning, "latency", s.Address, fmt.Sprintf("Requests take %s ms on average", decimal(s.Latency.Avg)),
			"Look at its disk first: every write waits until it is on the disk of a majority. A transaction log on a disk of its own helps most.")
	}
	if limit := float64(j.Session.Milliseconds()) / 3; limit > 0 && s.Latency.Max > limit {
		j.add(Warning, "latency", s.Address, fmt.Sprintf("A request took %s ms, more than a third of the session timeout of %s", decimal(s.Latency.Max), j.Session),
			"Sessions, and with them locks, are lost when this goes on for longer. Look for pauses of its Java process and of its disk. The figure is the highest since its start; \"srst\" resets it.")
	}
	if s.Outstanding >= manyOutstanding {
		j.add(Warning, "outstanding", s.Address, fmt.Sprintf("%d requests wait to be carried out", s.Outstanding),
			"The server is slower than its clients. Look for one that asks too much (\"cons\" lists them), and at its disk.")
	}
	if tick := time.Duration(s.TickTime) * time.Millisecond; s.TickTime > 0 && j.TickTime > 0 && tick > j.TickTime {
		j.add(Error, "tick_time", s.Address, fmt.Sprintf("The server's tickTime is %s, and the ensemble is declared with %s: leases would be kept for too long", tick, j.TickTime),
			fmt.Sprintf("Set tick_time = %q in the ensemble block and apply. Two agents can hold a lock at the same time as long as it is wrong.", tick))
	}
	asked := j.Session.Milliseconds()
	if s.MinSession > 0 && asked > 0 && (asked < s.MinSession || asked > s.MaxSession) {
		j.add(Note, "session_timeout", s.Address, fmt.Sprintf("The server grants session timeouts from %d ms to %d ms, and the ensemble is declared with %s", s.MinSession, s.MaxSession, j.Session),
			"It is adjusted to that range. Declare one that lies in it, or change minSessionTimeout and maxSessionTimeout of the servers.")
	}
}

// words tells what could not be checked since a four-letter word is not allowed.
func (j *judge) words(s *Server) {
	var refused, unknown []string
	for _, w := range []struct{ word, tells string }{
		{"srvr", "its mode, release and latency"},
		{"mntr", "whether all voting servers are in step"},
		{"conf", "its tickTime, on which the leases of locks rest"},
	} {
		if slices.Contains(s.WordsRefused, w.word) {
			refused, unknown = append(refused, w.word), append(unknown, w.tells)
		}
	}
	if len(refused) > 0 {
		j.add(Note, "words", s.Address, fmt.Sprintf("The server does not allow the four-letter %s %s, so that it is not known for sure: %s",
			verb(len(refused), "word", "words"), strings.Join(refused, ", "), strings.Join(unknown, "; ")),
			fmt.Sprintf("Set 4lw.commands.whitelist=%s in its configuration.", strings.Join(words, ",")))
	}
}

// quorum judges the servers together.
func (j *judge) quorum() {
	var serving, leaders, alone []string
	voters := 0
	reachable := 0
	for _, s := range j.servers {
		if s.Reachable {
			reachable++
		}
		if s.Serving {
			serving = append(serving, s.Address)
		}
		switch s.Mode {
		case "leader":
			leaders = append(leaders, s.Address)
			voters++
			if s.Quorum > 0 && s.Synced >= 0 && s.Synced+1 < s.Quorum {
				up, after := s.Synced+1, "the loss of one more is survived"
				if up-1 <= s.Quorum/2 {
					after = "with one less there is no quorum"
				}
				j.add(Warning, "quorum", s.Address, fmt.Sprintf("%d of the %d voting servers %s not in step with the leader: %s", s.Quorum-up, s.Quorum, verb(int(s.Quorum-up), "is", "are"), after),
					"Start what is down; a server that is up and lags behind needs a look at its log.")
			}
		case "follower":
			voters++
		case "standalone":
			alone = append(alone, s.Address)
		}
	}
	switch {
	case len(serving) == 0:
		summary := "No server can be reached"
		if reachable > 0 {
			summary = "No server serves requests: there is no quorum"
		}
		j.add(Error, "quorum", "", summary, "More than half of the voting servers must run and reach each other. Check what the ensemble block names, and the servers' logs.")
	case len(alone) > 0 && len(j.servers) > 1:
		j.add(Error, "quorum", "", fmt.Sprintf("%s %s alone, and %s are declared as one ensemble: they are different trees", some(alone), verb(len(alone), "runs", "run"), count(len(j.servers), "server", "servers")),
			"A lock in one of them says nothing to clients of another. Name the servers of one ensemble only, or configure these as one.")
	case len(alone) > 0:
		j.add(Note, "quorum", alone[0], "The ensemble has one server: while it is down, no lock can be taken or kept",
			"An ensemble of three survives the loss of one.")
	case len(leaders) > 1:
		j.add(Error, "quorum", "", fmt.Sprintf("%s are leaders: the servers belong to different ensembles", some(leaders)), "Name the servers of one ensemble only.")
	case len(leaders) == 0 && reachable == len(j.servers) && j.modesKnown():
		j.add(Note, "quorum", "", "The leader is not among the servers that the configuration names", "Name all servers, so that clients find one that works.")
	}
	if voters > 1 && voters%2 == 0 && reachable == len(j.servers) {
		j.add(Note, "quorum", "", fmt.Sprintf("The ensemble has %d voting servers: an even number survives no more failures than one less", voters), "")
	}
}

func (j *judge) modesKnown() bool {
	return !slices.ContainsFunc(j.servers, func(s Server) bool { return s.Serving && s.Mode == "" })
}

// versions judges the releases that the servers run.
func (j *judge) versions() {
	seen := map[string][]string{}
	var all []string
	for _, s := range j.servers {
		if s.Version == "" {
			continue
		}
		if seen[s.Version] == nil {
			all = append(all, s.Version)
		}
		seen[s.Version] = append(seen[s.Version], s.Address)
	}
	slices.Sort(all)
	if len(all) > 1 {
		j.add(Warning, "version", "", "The servers run different releases: "+strings.Join(all, ", "), "Finish the upgrade; a mixed ensemble is meant for the time of one only.")
	}
	for _, v := range all {
		switch major, minor := release(v); {
		case major == 0:
		case major < 3 || major == 3 && minor < 5:
			j.add(Warning, "version", seen[v][0], fmt.Sprintf("ZooKeeper %s is too old for TLS, container nodes and lockform's tests", v), "Upgrade to 3.8 or later.")
		case major == 3 && minor < 6:
			j.add(Note, "version", seen[v][0], fmt.Sprintf("ZooKeeper %s cannot read many znodes with one request: plans of large layouts take longer", v), "Upgrade to 3.8 or later.")
		}
	}
}

// release reads "3.8" of "3.8.0-5a02".
func release(v string) (major, minor int) {
	parts := strings.SplitN(v, ".", 3)
	if len(parts) < 2 {
		return 0, 0
	}
	major, _ = strconv.Atoi(parts[0])
	minor, _ = strconv.Atoi(parts[1])
	return major, minor
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// verb picks the form of a verb.
func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
