package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A Status is what an agent sees of ZooKeeper and, where it was asked for, of a
// lock. Its JSON is for scripts.
type Status struct {
	Server         string      `json:"server"` // host:port connected to
	Session        string      `json:"session"`
	SessionTimeout string      `json:"session_timeout"` // as the server granted it
	Lock           *LockStatus `json:"lock,omitempty"`
}

// A LockStatus is a lock with its policy and its queue.
type LockStatus struct {
	Path    zkfs.Path                  `json:"path"`
	Policy  map[string]json.RawMessage `json:"policy,omitempty"` // none: the lock is not declared
	Notes   []string                   `json:"notes,omitempty"`  // what one should know about it
	Holders []Place                    `json:"holders"`
	Waiters []Place                    `json:"waiters"`

	attributes []layout.Attribute
}

// A Place is a contender.
type Place struct {
	Who    string    `json:"who"`
	Host   string    `json:"host,omitempty"`
	PID    int       `json:"pid,omitempty"`
	Mode   string    `json:"mode"`
	Client string    `json:"client"`
	Node   zkfs.Path `json:"node"`
	Token  int64     `json:"token"`
	Since  time.Time `json:"since"`
}

// ReadStatus asks ZooKeeper. Path may be empty.
func ReadStatus(ctx context.Context, c *lock.Client, path zkfs.Path) (Status, error) {
	s, err := c.Session(ctx)
	if err != nil {
		return Status{}, err
	}
	status := Status{Server: s.Server(), Session: fmt.Sprintf("0x%x", uint64(s.ID())), SessionTimeout: layout.FormatDuration(s.Timeout())}
	if path == "" {
		return status, nil
	}
	q, err := c.Queue(ctx, path)
	switch {
	case err != nil:
		return Status{}, err
	case q.Absent:
		return Status{}, &lock.Error{Path: path, Err: lock.ErrNotDeclared}
	case q.Denied:
		return Status{}, &lock.Error{Path: path, Err: zkfs.ErrNoAuth}
	}
	l := &LockStatus{Path: path, Holders: places(q.Holders()), Waiters: places(q.Waiters())}
	status.Lock = l
	if q.Policy == nil {
		l.Notes = append(l.Notes, "not declared: "+reason(q.PolicyErr))
		return status, nil
	}
	l.attributes = q.Policy.Attributes()
	l.Policy = make(map[string]json.RawMessage, len(l.attributes))
	for _, a := range l.attributes {
		l.Policy[a.Name] = json.RawMessage(a.Value)
	}
	if q.Policy.OnLost == layout.OnLostIgnore {
		l.Notes = append(l.Notes, `on_lost is "ignore": a command goes on when its lock is lost, beside the next holder`)
	}
	if q.Policy.Heartbeat != layout.HeartbeatWrite {
		l.Notes = append(l.Notes, fmt.Sprintf("heartbeat is %q: a session that has ended can look alive for a while", q.Policy.Heartbeat))
	}
	return status, nil
}

func reason(err error) string {
	if err == nil {
		err = errors.New("it has no policy")
	}
	return err.Error()
}

func places(cs []lock.Contender) []Place {
	all := make([]Place, 0, len(cs))
	for _, c := range cs {
		all = append(all, Place{
			Who: whose(c), Host: c.Host, PID: c.PID, Mode: c.Mode, Client: c.Client, Node: c.Node, Token: c.Token, Since: c.Since,
		})
	}
	return all
}

// WriteText writes the status for people. Now is what ages are counted from.
func (s Status) WriteText(w io.Writer, now time.Time) error {
	p := &printer{w: w}
	p.line("connected to %s, session %s, session timeout %s", s.Server, s.Session, s.SessionTimeout)
	if l := s.Lock; l != nil {
		p.line("\n%s", l.Path)
		for _, a := range l.attributes {
			p.line("  %-16s %s", a.Name, a.Value)
		}
		for _, n := range l.Notes {
			p.line("  note: %s", n)
		}
		p.places("held by", "held by nobody", l.Holders, now)
		p.places("waiting", "nobody waits", l.Waiters, now)
	}
	return p.err
}

// A printer writes lines until one fails.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) places(title, none string, all []Place, now time.Time) {
	if len(all) == 0 {
		p.line("  %s", none)
		return
	}
	p.line("  %s", title)
	for _, c := range all {
		p.line("    %s  %s, token %d, since %s  %s", c.Who, c.Mode, c.Token, now.Sub(c.Since).Round(time.Second), c.Node.Base())
	}
}
