package lock

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
)

// declared reads what a lock's znode says of its policy.
func declared(data []byte, err error, o Options) (layout.Policy, error) {
	switch {
	case errors.Is(err, zkfs.ErrNoNode):
		return layout.Policy{}, fmt.Errorf("%w (there is no such znode)", ErrNotDeclared)
	case err != nil:
		return layout.Policy{}, fmt.Errorf("its policy cannot be read: %w", denied(err))
	}
	p, err := layout.ParsePolicy(data)
	switch {
	case err == nil:
		return p, nil
	case !errors.Is(err, layout.ErrNotManaged):
		return layout.Policy{}, err
	case o.Undeclared:
		return layout.DefaultPolicy(), nil
	}
	return layout.Policy{}, fmt.Errorf("%w (%w)", ErrNotDeclared, err)
}

// denied says what to do about a permission that is missing.
func denied(err error) error {
	if !errors.Is(err, zkfs.ErrNoAuth) {
		return err
	}
	return fmt.Errorf("%w; check the credentials (a wrong password is no error to ZooKeeper), and that the lock's acl gives them create, read and delete", err)
}

// valid returns the first fault of a policy that the caller gave.
func valid(p layout.Policy) error {
	if errs := p.Validate(); len(errs) > 0 {
		return fmt.Errorf("its policy: %w", errs[0])
	}
	return nil
}

// stricter returns the policy with what the options make stricter.
func (o Options) stricter(p layout.Policy) layout.Policy {
	if o.KillTimeout > 0 {
		p.KillTimeout = min(p.KillTimeout, o.KillTimeout)
	}
	if o.MaxHold > 0 && (p.MaxHold == layout.NoLimit || o.MaxHold < p.MaxHold) {
		p.MaxHold = o.MaxHold
	}
	order := []layout.Heartbeat{layout.HeartbeatPing, layout.HeartbeatSync, layout.HeartbeatWrite}
	if slices.Index(order, o.Heartbeat) > slices.Index(order, p.Heartbeat) {
		p.Heartbeat = o.Heartbeat
	}
	return p
}

// wait returns how long the caller may wait: layout.NoLimit, 0, or a time.
func (o Options) wait(p layout.Policy) time.Duration {
	if o.Wait == nil || *o.Wait < 0 || p.WaitTimeout != layout.NoLimit && p.WaitTimeout < *o.Wait {
		return p.WaitTimeout
	}
	return *o.Wait
}

// recipeOf returns the recipe of a policy and checks that it gives the kind of
// hold that is asked for.
func recipeOf(p layout.Policy, shared bool) (recipe.Recipe, error) {
	r, err := recipe.New(string(p.Recipe), string(p.Mode), p.Prefix)
	if err != nil {
		return r, err
	}
	if shared && p.Mode != layout.ReadWrite {
		return r, fmt.Errorf("%w: its mode is %s, and shared holds need read_write", ErrMode, p.Mode)
	}
	return r, nil
}

// modeOf names a kind of hold for people, data and environment.
func modeOf(p layout.Policy, shared bool) string {
	switch {
	case p.Mode == layout.Semaphore:
		return "semaphore"
	case shared:
		return "shared"
	}
	return "exclusive"
}

// contenderACL returns the ACL of a contender: everything to the session's own
// credential, and what the policy gives to others. Private means that nobody
// else may write to the node, so that its data proves who released it.
func (s *session) contenderACL(p layout.Policy) (acl zkfs.ACL, private bool) {
	others := p.ContenderACL
	if others == nil {
		if !p.Revocable {
			return s.usualACL, s.sole
		}
		others = zkfs.ReadOnly()
	}
	private = s.sole
	for _, e := range others {
		if e.Identity == zkfs.AuthIDs {
			// What the planner's configuration calls auth is whoever creates the
			// contender, who has everything anyway.
			continue
		}
		acl = append(acl, e)
	}
	if p.Revocable {
		acl = append(acl, zkfs.Entry{Perms: zkfs.Read | zkfs.Write, Identity: zkfs.Anyone})
	}
	for _, e := range acl {
		private = private && e.Perms&(zkfs.Write|zkfs.Admin) == 0
	}
	return acl.With(s.owners...), private
}

// samePolicy compares what policies say, not how they were written.
func samePolicy(a, b layout.Policy) bool { return slices.Equal(a.Attributes(), b.Attributes()) }
