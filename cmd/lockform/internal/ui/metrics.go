package ui

import (
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
type collector struct{ sight }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("lockform_"+name, help, labels, nil)
}

var (
	buildInfo = desc("build_info", "1, with the version of the program.", "version")
	lookedAt  = desc("look_timestamp_seconds", "When what is told was seen, by what was looked at: the queues of an ensemble, or the survey of everything else.", "look", "ensemble")
	errorsOf  = desc("look_errors", "What could not be seen, and what is wrong with the configuration, by what was looked at.", "look", "ensemble")

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

	changes    = desc("plan_changes", "Steps of the plan for the present configuration, by action.", "action")
	drifted    = desc("plan_drift", "Znodes that were changed by others than apply.")
	blocked    = desc("plan_blocked", "Steps of the plan that are blocked.")
	serial     = desc("last_apply_serial", "The serial of the latest run.", "ensemble")
	applied    = desc("last_apply_timestamp_seconds", "When the latest run began.", "ensemble")
	unfinished = desc("last_apply_unfinished", "1 where the latest run has not ended.", "ensemble")
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
	looked := func(at time.Time, problems []plan.Problem, labels ...string) {
		if !at.IsZero() {
			give(lookedAt, seconds(at), labels...)
			give(errorsOf, failures(problems), labels...)
		}
	}
	for _, e := range c.Queues {
		looked(e.At, e.Problems, "queues", e.Name)
	}
	looked(c.SurveyAt, c.Survey.Problems, "survey", "")
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
	var all []live.Lock
	for i := range c.Queues {
		e := &c.Queues[i]
		if !e.read() {
			continue
		}
		var sum struct{ locks, held, holders, waiters, longest, foreign float64 }
		for j := range e.Nodes {
			l := e.Nodes[j].Lock
			if l == nil {
				continue
			}
			all = append(all, *l)
			sum.locks++
			before := sum.holders
			for k := range l.Queue.Contenders {
				contender := &l.Queue.Contenders[k]
				if contender.Foreign {
					sum.foreign++
				}
				if contender.Holds {
					sum.holders++
					continue
				}
				sum.waiters++
				if d, ok := age(contender, e.At); ok {
					sum.longest = max(sum.longest, d.Seconds())
				}
			}
			if sum.holders > before {
				sum.held++
			}
		}
		give(locks, sum.locks, e.Name)
		give(held, sum.held, e.Name)
		give(holders, sum.holders, e.Name)
		give(waiters, sum.waiters, e.Name)
		give(longest, sum.longest, e.Name)
		give(foreign, sum.foreign, e.Name)
	}
	give(rings, float64(len(live.Deadlocks(all))))
}

// health gives what the servers say of themselves, and what was found.
func (c collector) health(give giver) {
	if c.Survey.Report == nil {
		return
	}
	for _, e := range c.Survey.Report.Ensembles {
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
	for _, f := range c.Survey.Report.Findings {
		counts[kind{f.Ensemble, f.Severity, f.Check}]++
	}
	for k, n := range counts {
		give(findings, float64(n), k.ensemble, string(k.severity), k.check)
	}
}

// planned gives what an apply would do, and what the last one did.
func (c collector) planned(give giver) {
	if s := c.Survey.sum; c.Survey.made {
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
	for _, r := range c.Survey.Runs { // the latest first
		if !seen[r.Ensemble] {
			seen[r.Ensemble] = true
			give(serial, float64(r.Serial), r.Ensemble)
			give(applied, seconds(r.Started), r.Ensemble)
			give(unfinished, flag(!r.Done), r.Ensemble)
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
