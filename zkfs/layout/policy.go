package layout

import (
	"fmt"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// Mode says what kinds of holds a lock gives.
type Mode string

// The modes.
const (
	Exclusive Mode = "exclusive"
	ReadWrite Mode = "read_write"
	Semaphore Mode = "semaphore"
)

// Recipe says how contender nodes are named, and so which other clients see
// them.
type Recipe string

// The recipes.
const (
	Curator Recipe = "curator"
	Kazoo   Recipe = "kazoo"
	Bridge  Recipe = "bridge"
	Plain   Recipe = "plain"
)

// Heartbeat says what proves that a session is alive.
type Heartbeat string

// The heartbeats.
const (
	HeartbeatWrite Heartbeat = "write"
	HeartbeatSync  Heartbeat = "sync"
	HeartbeatPing  Heartbeat = "ping"
)

// OnLost says what happens to a command whose lock is lost: OnLostTerminate,
// OnLostKill, OnLostIgnore, or "signal:NAME".
type OnLost string

// The values of OnLost with a fixed form.
const (
	OnLostTerminate OnLost = "terminate"
	OnLostKill      OnLost = "kill"
	OnLostIgnore    OnLost = "ignore"
)

// NoLimit is a wait_timeout or max_hold of "none".
const NoLimit time.Duration = -1

// A Policy is how one lock is taken, kept and lost, every attribute with its
// effective value. Start from DefaultPolicy.
type Policy struct {
	Mode           Mode
	Permits        int // semaphore only, else 0
	Recipe         Recipe
	Prefix         string        // recipe plain only, else ""
	WaitTimeout    time.Duration // the longest wait; NoLimit, or 0 for not to wait
	MaxHold        time.Duration // NoLimit, or more than 0
	MaxWaiters     int           // 0: no bound
	SessionTimeout time.Duration // asked of the server, which may adjust it
	TickTime       time.Duration // the ensemble's tickTime; the lease margin depends on it
	Heartbeat      Heartbeat
	OnLost         OnLost
	KillTimeout    time.Duration // at most, from the first signal to SIGKILL
	Reentrant      bool
	Revocable      bool
	Rank           *int     // nil: unranked, after all ranks
	ContenderACL   zkfs.ACL // nil: the creator all, everyone read; the creator is implied

	// Written names the attributes that the configuration sets, sorted. It is
	// what Spec covers, so that a release with another default shows no
	// change. A policy that was read from a record has none.
	Written []string
}

// DefaultPolicy returns the built-in defaults. Within major format 1 they do
// not change.
func DefaultPolicy() Policy {
	return Policy{
		Mode:           Exclusive,
		Recipe:         Curator,
		WaitTimeout:    NoLimit,
		MaxHold:        NoLimit,
		SessionTimeout: 15 * time.Second,
		TickTime:       3 * time.Second,
		Heartbeat:      HeartbeatWrite,
		OnLost:         OnLostTerminate,
		KillTimeout:    5 * time.Second,
	}
}

// LeaseMargin returns ε of the lease: what is taken off the session timeout
// because a server learns of a session's activity only every half tick.
func (p Policy) LeaseMargin() time.Duration { return p.TickTime / 2 }

// KillLimit returns the longest time from the first signal to SIGKILL that the
// session leaves: a quarter of what lies between a heartbeat and the end of the
// lease that rests on it, which is a tick less than the session timeout. Agents
// cut KillTimeout to it.
func (p Policy) KillLimit() time.Duration { return (p.SessionTimeout - p.TickTime) / 4 }

// Validate checks what can be told without a server: ranges, values, and
// attributes that belong to another mode or recipe. It returns every fault.
func (p Policy) Validate() []*AttributeError {
	var errs []*AttributeError
	bad := func(attr, format string, args ...any) {
		errs = append(errs, &AttributeError{attr, fmt.Sprintf(format, args...)})
	}
	switch p.Mode {
	case Exclusive, ReadWrite, Semaphore:
	default:
		bad("mode", `%q is not a mode; use "exclusive", "read_write" or "semaphore"`, string(p.Mode))
	}
	switch p.Recipe {
	case Curator, Kazoo, Bridge, Plain:
	default:
		bad("recipe", `%q is not a recipe; use "curator", "kazoo", "bridge" or "plain"`, string(p.Recipe))
	}
	switch {
	case p.Mode == Semaphore && p.Permits < 1:
		bad("permits", "a semaphore needs permits of at least 1")
	case p.Mode == Semaphore && p.Permits > 1<<20:
		bad("permits", "it must be at most %d", 1<<20)
	case p.Mode != Semaphore && p.Permits != 0:
		bad("permits", `it belongs to mode "semaphore"; this lock has mode %q`, string(p.Mode))
	}
	if p.Mode == Semaphore && p.Recipe != Curator {
		bad("recipe", `a semaphore has the recipe "curator"`)
	}
	if p.Mode == ReadWrite && p.Recipe == Plain {
		bad("recipe", `the recipe "plain" has exclusive holds only; use mode "exclusive" or another recipe`)
	}
	switch {
	case p.Recipe == Plain && p.Prefix == "":
		bad("prefix", `the recipe "plain" needs a prefix, such as "lock_id_"`)
	case p.Recipe == Plain:
		if _, err := zkfs.ParseName(p.Prefix); err != nil {
			bad("prefix", "%v", err)
		}
	case p.Prefix != "":
		bad("prefix", `it belongs to recipe "plain"; this lock has recipe %q`, string(p.Recipe))
	}
	if p.MaxWaiters < 0 {
		bad("max_waiters", "it must be 0 (no bound) or more")
	}
	switch p.Heartbeat {
	case HeartbeatWrite, HeartbeatSync, HeartbeatPing:
	default:
		bad("heartbeat", `%q is not a heartbeat; use "write", "sync" or "ping"`, string(p.Heartbeat))
	}
	if err := p.OnLost.validate(); err != nil {
		bad("on_lost", "%v", err)
	}
	for _, d := range []struct {
		attr string
		d    time.Duration
	}{{"session_timeout", p.SessionTimeout}, {"tick_time", p.TickTime}, {"kill_timeout", p.KillTimeout}} {
		switch {
		case d.d <= 0:
			bad(d.attr, "it must be longer than 0")
		case d.d < time.Millisecond:
			bad(d.attr, "it must be at least 1ms")
		case d.d > 24*time.Hour:
			bad(d.attr, "it must be at most 24h")
		}
	}
	if p.WaitTimeout < 0 && p.WaitTimeout != NoLimit {
		bad("wait_timeout", `it must be "0s" (not to wait), longer, or "none"`)
	}
	if p.MaxHold <= 0 && p.MaxHold != NoLimit {
		bad("max_hold", `it must be longer than 0, or "none"`)
	}
	// A heartbeat every T/6 is looked back at by half a tick, and the margin
	// takes another half: what is left must be worth holding a lock for.
	if p.SessionTimeout > 0 && p.TickTime > 0 && p.SessionTimeout-p.TickTime < p.SessionTimeout/3 {
		bad("session_timeout", "%s leaves no room for the lease: with a tick_time of %s it must be at least %s",
			FormatDuration(p.SessionTimeout), FormatDuration(p.TickTime), FormatDuration(p.TickTime*3/2))
	}
	if p.ContenderACL != nil && p.ContenderACL.Grants()&zkfs.Read == 0 {
		readers := false
		for _, e := range p.ContenderACL {
			readers = readers || e.Perms&zkfs.Read != 0
		}
		if !readers {
			bad("contender_acl", "it gives READ to nobody but the creator; kazoo, go-zookeeper and Curator fail on contenders that they cannot read")
		}
	}
	return errs
}

// An AttributeError is a fault of one attribute of a policy.
type AttributeError struct {
	Attribute string
	Reason    string // a sentence without its period
}

func (e *AttributeError) Error() string { return e.Attribute + ": " + e.Reason }
