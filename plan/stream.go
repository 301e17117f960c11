package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// A Stream writes Terraform's newline-delimited messages: one JSON object in a
// line, with @level, @message, @module, @timestamp and type, and the fields of
// its type:
//
//	version          lockform, ui
//	resource_drift   change {resource {addr, path, ensemble, kind}, action, actions, reason, before, after}
//	planned_change   the same, with previous_resource for a move
//	change_summary   changes {add, import, change, move, forget, remove, operation}
//	lock_held        lock {ensemble, path, node}
//	apply_start      hook {resource, action}
//	apply_complete   hook {resource, action, elapsed_seconds}
//	apply_errored    hook {resource, action}
//	batch_committed  batch {ensemble, number, of, ops, bytes, zxid}
//	plan_refused     refusal {reason, paths}; reason is "stale" or "blocked"
//	diagnostic       diagnostic {severity, summary, detail, address, path, range}
//
// action is Terraform's word (create, update, replace, delete, move, import, remove),
// actions are ours. Its methods are not safe for concurrent use; the first error
// of W is kept in Err and ends the stream.
type Stream struct {
	W   io.Writer
	Now func() time.Time // nil: time.Now
	Err error

	started []hook // steps that were started and not completed
}

type hook struct {
	step     *Step
	ensemble string
}

// message is what all messages have; the encoder writes fields in this order,
// then those of the type.
type message struct {
	Level     string `json:"@level"`
	Message   string `json:"@message"`
	Module    string `json:"@module"`
	Timestamp string `json:"@timestamp"`
	Type      string `json:"type"`

	Lockform   string          `json:"lockform,omitempty"`
	UI         string          `json:"ui,omitempty"`
	Change     any             `json:"change,omitempty"`
	Changes    any             `json:"changes,omitempty"`
	Lock       any             `json:"lock,omitempty"`
	Hook       any             `json:"hook,omitempty"`
	Batch      any             `json:"batch,omitempty"`
	Refusal    any             `json:"refusal,omitempty"`
	Diagnostic *diagnosticJSON `json:"diagnostic,omitempty"`
}

type resourceRef struct {
	Addr     string    `json:"addr"`
	Path     zkfs.Path `json:"path"`
	Ensemble string    `json:"ensemble"`
	Kind     string    `json:"kind,omitempty"`
}

type streamChange struct {
	Resource resourceRef  `json:"resource"`
	Previous *resourceRef `json:"previous_resource,omitempty"`
	Action   string       `json:"action"`
	Actions  []Action     `json:"actions"`
	Reason   string       `json:"reason,omitempty"`
	Before   *stateJSON   `json:"before"`
	After    *stateJSON   `json:"after"`
}

type streamHook struct {
	Resource resourceRef `json:"resource"`
	Action   string      `json:"action"`
	Elapsed  *float64    `json:"elapsed_seconds,omitempty"`
}

type streamSummary struct {
	Add       int    `json:"add"`
	Import    int    `json:"import"`
	Change    int    `json:"change"`
	Move      int    `json:"move"`
	Forget    int    `json:"forget"`
	Remove    int    `json:"remove"`
	Operation string `json:"operation"`
}

type diagnosticJSON struct {
	Severity string    `json:"severity"`
	Summary  string    `json:"summary"`
	Detail   string    `json:"detail"`
	Address  string    `json:"address,omitempty"`
	Path     zkfs.Path `json:"path,omitempty"`
	Range    any       `json:"range,omitempty"`
}

func (s *Stream) send(m message) {
	if s.Err != nil {
		return
	}
	now := s.Now
	if now == nil {
		now = time.Now
	}
	if m.Level == "" {
		m.Level = "info"
	}
	m.Module, m.Timestamp = "lockform.ui", now().UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	enc := json.NewEncoder(s.W)
	enc.SetEscapeHTML(false)
	s.Err = enc.Encode(m)
}

// Version writes the message "version", which comes first.
func (s *Stream) Version(version string) {
	s.send(message{Message: "lockform " + version, Type: "version", Lockform: version, UI: "1.0"})
}

// Plan writes "resource_drift" and "planned_change" messages, a "diagnostic"
// for each warning and each blocked change, and "change_summary".
func (s *Stream) Plan(p *Plan) {
	for i := range p.Ensembles {
		e := &p.Ensembles[i]
		for j := range e.Drift {
			r := e.Drift[j].resource(e.Name)
			s.change("resource_drift", "Drift detected", r, word(r.Change.Actions))
		}
	}
	for i := range p.Ensembles {
		e := &p.Ensembles[i]
		for j := range e.Steps {
			if step := &e.Steps[j]; !step.NoOp() {
				s.change("planned_change", "Plan to "+word(step.Actions), step.resource(e.Name), word(step.Actions))
			}
		}
	}
	for _, w := range p.Warnings {
		s.Diagnostic(w)
	}
	for i := range p.Ensembles {
		for _, b := range p.Ensembles[i].Blocked {
			problem := b.Problem()
			problem.Warning = true
			s.Diagnostic(problem)
		}
	}
	operation := "plan"
	if p.Mode == Destroy {
		operation = "destroy"
	}
	s.summary(p, operation, p.SummaryLine())
}

// Applied writes the "change_summary" of a plan that was carried out.
func (s *Stream) Applied(p *Plan) {
	operation, n := "apply", p.Summary()
	if p.Mode == Destroy {
		operation = "destroy"
	}
	s.summary(p, operation, fmt.Sprintf("Apply complete! %d created, %d updated, %d deleted.", n.Create, n.Adopt+n.Update+n.Move, n.Delete))
}

func (s *Stream) summary(p *Plan, operation, text string) {
	n := p.Summary()
	s.send(message{Message: text, Type: "change_summary", Changes: streamSummary{
		Add: n.Create, Import: n.Adopt, Change: n.Update, Move: n.Move, Forget: n.Disown, Remove: n.Delete, Operation: operation,
	}})
}

func (s *Stream) change(kind, prefix string, r resourceJSON, action string) {
	c := streamChange{
		Resource: resourceRef{string(r.Address), r.Path, r.Ensemble, string(r.Kind)},
		Action:   action, Actions: r.Change.Actions, Reason: r.ActionReason, Before: r.Change.Before, After: r.Change.After,
	}
	if r.PreviousAddress != "" {
		c.Previous = &resourceRef{string(r.PreviousAddress), r.Path, r.Ensemble, string(r.Kind)}
	}
	s.send(message{Message: fmt.Sprintf("%s: %s", prefix, named(r.Address, string(r.Kind), r.Path.String())), Type: kind, Change: c})
}

// word returns Terraform's word for what a step does.
func word(actions []Action) string {
	for _, a := range actions {
		switch a {
		case Create, Delete:
			return string(a)
		case Adopt:
			return "import"
		case Rotate:
			return "replace"
		case Disown:
			return "remove"
		case NoOp:
			return "noop"
		}
	}
	if len(actions) == 1 && actions[0] == Move {
		return "move"
	}
	return "update"
}

// Observe writes what an apply reports: use it as ApplyOptions.Observe.
func (s *Stream) Observe(e Event) {
	switch e.Kind {
	case EventStart:
		s.send(message{Message: "Apply lock held: " + e.Lock.String(), Type: "lock_held", Lock: map[string]any{
			"ensemble": e.Ensemble, "path": e.Lock.Parent(), "node": e.Lock.Base(),
		}})
	case EventBatch, EventACL:
		for _, step := range e.Steps {
			s.started = append(s.started, hook{step, e.Ensemble})
			s.hook("apply_start", "Applying", hook{step, e.Ensemble}, nil)
		}
	case EventCommitted, EventACLSet:
		seconds := e.Elapsed.Seconds()
		n := min(len(e.Steps), len(s.started)) // they end in the order in which they began
		for _, h := range s.started[:n] {
			s.hook("apply_complete", "Applied", h, &seconds)
		}
		s.started = s.started[n:]
		if e.Kind == EventCommitted {
			s.send(message{Message: fmt.Sprintf("Batch %d of %d committed", e.Batch, e.Batches), Type: "batch_committed", Batch: map[string]any{
				"ensemble": e.Ensemble, "number": e.Batch, "of": e.Batches, "ops": e.Ops, "bytes": e.Bytes, "zxid": e.Zxid,
			}})
		}
	}
}

func (s *Stream) hook(kind, prefix string, h hook, seconds *float64) {
	m := message{Message: fmt.Sprintf("%s: %s", prefix, named(h.step.Address, string(h.step.Kind), h.step.Path.String())), Type: kind,
		Hook: streamHook{resourceRef{string(h.step.Address), h.step.Path, h.ensemble, string(h.step.Kind)}, word(h.step.Actions), seconds}}
	if kind == "apply_errored" {
		m.Level = "error"
	}
	s.send(m)
}

// Diagnostic writes a "diagnostic".
func (s *Stream) Diagnostic(p Problem) {
	d := &diagnosticJSON{Severity: "error", Summary: p.Summary, Detail: p.Detail, Address: string(p.Address), Path: p.Path}
	m := message{Level: "error", Message: "Error: " + p.Summary, Type: "diagnostic", Diagnostic: d}
	if p.Warning {
		d.Severity, m.Level, m.Message = "warning", "warn", "Warning: "+p.Summary
	}
	if p.Pos.File != "" {
		d.Range = map[string]any{"filename": p.Pos.File, "start": map[string]int{"line": p.Pos.Line, "column": p.Pos.Column}}
	}
	s.send(m)
}

// Failed writes what an apply ended with: "apply_errored" for each step that was
// begun, "plan_refused" when the plan was refused, and a "diagnostic" for each
// problem. It does nothing for nil.
func (s *Stream) Failed(err error) {
	if err == nil {
		return
	}
	for _, h := range s.started {
		s.hook("apply_errored", "Failed", h, nil)
	}
	s.started = nil
	problems := Problems(err)
	reason := ""
	switch {
	case errors.Is(err, ErrStale):
		reason = "stale"
	case errors.Is(err, ErrBlocked):
		reason = "blocked"
	}
	if reason != "" {
		paths := []zkfs.Path{}
		for _, p := range problems {
			if p.Path != "" {
				paths = append(paths, p.Path)
			}
		}
		s.send(message{Level: "error", Message: "The plan was refused: " + reason, Type: "plan_refused",
			Refusal: map[string]any{"reason": reason, "paths": paths}})
	}
	for _, p := range problems {
		s.Diagnostic(p)
	}
}
