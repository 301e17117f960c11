package ui

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockform/lockform/cmd/lockform/internal/doctor"
	"github.com/lockform/lockform/cmd/lockform/internal/live"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
)

// A collector gives what was seen as metrics. Their labels are names that the
// configuration bounds: ensembles, servers and checks, never locks.
type collector struct {
	queues   Queues
	at       time.Time
	survey   planned
	surveyed time.Time
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("lockform_"+name, help, labels, nil)
}

var (
	buildInfo = desc("build_info", "1, with the version of the program.", "version")
	lookedAt  = desc("look_timestamp_seconds", "When what is told was seen, by what was looked at: queues or survey.", "look")
	errorsOf  = desc("look_errors", "What could not be seen, and what is wrong with the configuration, by what was looked at.", "look")

	locks   = desc("ensemble_locks", "Locks that the layout owns.", "ensemble")
	held    = desc("ensemble_locks_held", "Locks that somebody holds.", "ensemble")
	holders = desc("ensemble_holders", "Holds of all locks.", "ensemble")
	waiters = desc("ensemble_waiters", "Contenders that wait for a lock.", "ensemble")
	longest = desc("ensemble_longest_wait_seconds", "How long ago the waiter queued that waits longest; 0 where nobody waits.", "ensemble")
	foreign = desc("ensemble_foreign_contenders", "Contenders whose client cannot see the lock's own.", "ensemble")
	rings   = desc("deadlocks", "Rings of owners that wait for each other.")

	quorum      = desc("ensemble_quorum", "1 where a server serves requests.", "ensemble")
	reachable   = desc("server_reachable", "1 where the server answers.", "ensemble", "server")
	latency     = desc("server_latency_average_seconds", "How long requests take, as the server says.", "ensemble", "server")
	outstanding = desc("server_outstanding_requests", "Requests that wait to be carried out.", "ensemble", "server")
	connections = desc("server_connections", "Connections of clients.", "ensemble", "server")
	findings    = desc("findings", "What lockform doctor finds.", "ensemble", "severity", "check")

	changes  = desc("plan_changes", "Steps of the plan for the present configuration, by action.", "action")
	drifted  = desc("plan_drift", "Znodes that were changed by others than apply.")
	blocked  = desc("plan_blocked", "Steps of the plan that are blocked.")
	serial   = desc("last_apply_serial", "The serial of the latest run.", "ensemble")
	applied  = desc("last_apply_timestamp_seconds", "When the latest run began.", "ensemble")
	unfinish = desc("last_apply_unfinished", "1 where the latest run has not ended.", "ensemble")
)

// Describe is empty: what there is depends on what was seen.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect gives the metrics.
func (c collector) Collect(to chan<- prometheus.Metric) {
	give := func(d *prometheus.Desc, v float64, labels ...string) {
		for i := range labels {
			labels[i] = strings.ToValidUTF8(labels[i], "\uFFFD")
		}
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	give(buildInfo, 1, zkfs.Version())
	give(lookedAt, seconds(c.at), "queues")
	give(lookedAt, seconds(c.surveyed), "survey")
	give(errorsOf, failures(c.queues.Problems), "queues")
	give(errorsOf, failures(c.survey.Problems), "survey")
	c.live(give)
	c.health(give)
	c.planned(give)
}

// failures counts what is no warning.
func failures(all []plan.Problem) (n float64) {
	for _, p := range all {
		if !p.Warning {
			n++
		}
	}
	return n
}

type giver func(d *prometheus.Desc, v float64, labels ...string)

// live gives what the queues are like now. An ensemble that could not be read
// has no figures, so that nobody takes it for idle.
func (c collector) live(give giver) {
	type sum struct{ locks, held, holders, waiters, longest, foreign float64 }
	sums := map[string]*sum{}
	for _, name := range c.queues.Ensembles {
		sums[name] = &sum{}
	}
	var all []live.Lock
	for i := range c.queues.Nodes {
		n := &c.queues.Nodes[i]
		s := sums[n.Ensemble]
		if n.Lock == nil || s == nil {
			continue
		}
		all = append(all, *n.Lock)
		q := n.Lock.Queue
		s.locks++
		before := s.holders
		for j := range q.Contenders {
			contender := &q.Contenders[j]
			if contender.Foreign {
				s.foreign++
			}
			if contender.Holds {
				s.holders++
				continue
			}
			s.waiters++
			if !contender.Since.IsZero() {
				s.longest = max(s.longest, c.at.Sub(contender.Since).Seconds())
			}
		}
		if s.holders > before {
			s.held++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		s := sums[name]
		give(locks, s.locks, name)
		give(held, s.held, name)
		give(holders, s.holders, name)
		give(waiters, s.waiters, name)
		give(longest, s.longest, name)
		give(foreign, s.foreign, name)
	}
	give(rings, float64(len(live.Deadlocks(all))))
}

// health gives what the servers say of themselves, and what was found.
func (c collector) health(give giver) {
	for _, e := range c.survey.Report.Ensembles {
		give(quorum, flag(e.Quorum), e.Name)
		for _, s := range e.Servers {
			give(reachable, flag(s.Reachable), e.Name, s.Address)
			for _, v := range []struct {
				d     *prometheus.Desc
				value float64
				unit  float64
			}{{latency, s.Latency.Avg, 1e-3}, {outstanding, float64(s.Outstanding), 1}, {connections, float64(s.Connections), 1}} {
				if v.value >= 0 { // it says so
					give(v.d, v.value*v.unit, e.Name, s.Address)
				}
			}
		}
	}
	type kind struct {
		ensemble string
		severity doctor.Severity
		check    string
	}
	counts := map[kind]int{}
	for _, f := range c.survey.Report.Findings {
		counts[kind{f.Ensemble, f.Severity, f.Check}]++
	}
	for k, n := range counts {
		give(findings, float64(n), k.ensemble, string(k.severity), k.check)
	}
}

// planned gives what an apply would do, and what the last one did.
func (c collector) planned(give giver) {
	if s := c.survey.sum; c.survey.made {
		for _, v := range []struct {
			action string
			n      int
		}{{"create", s.Create}, {"adopt", s.Adopt}, {"update", s.Update}, {"move", s.Move}, {"disown", s.Disown}, {"delete", s.Delete}} {
			give(changes, float64(v.n), v.action)
		}
		give(drifted, float64(s.Drift))
		give(blocked, float64(s.Blocked))
	}
	seen := map[string]bool{}
	for _, r := range c.survey.Runs { // the latest first
		if !seen[r.Ensemble] {
			seen[r.Ensemble] = true
			give(serial, float64(r.Serial), r.Ensemble)
			give(applied, seconds(r.Started), r.Ensemble)
			give(unfinish, flag(!r.Done), r.Ensemble)
		}
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
