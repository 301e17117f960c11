package plan

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/lockform/lockform/zkfs"
)

// A plan tells from ACLs what the server would refuse. It cannot know of
// everything that lets a run do it all the same: a super user under another name
// or by a certificate, or a server that checks no ACLs. So an apply asks, with
// requests that need the permission and cannot succeed: the server looks at the
// permission first, and at the version that no znode has after that.

// noVersion is the version of no znode.
const noVersion = math.MinInt32

// probeName is what a znode would be called that is never made.
const probeName = "lockform-permission-probe"

// Denied returns the problems of those permissions that the plan found lacking
// and that the server, when asked, does not give either. The requests change
// nothing.
func Denied(ctx context.Context, t Target, e *Ensemble) ([]Problem, error) {
	var problems []Problem
	for _, b := range e.Blocked {
		if b.Reason != BlockPermission {
			continue
		}
		denied, err := b.denied(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("ask for permissions on %s: %w", b.At, err)
		}
		if denied {
			problems = append(problems, b.Problem())
		}
	}
	return problems, nil
}

// denied asks for each permission that lacks.
func (b *Blocked) denied(ctx context.Context, t Target) (bool, error) {
	if b.At == "" {
		return true, nil // the file of an earlier release does not say what lacks
	}
	for _, perm := range []zkfs.Perms{zkfs.Create, zkfs.Delete, zkfs.Write, zkfs.Admin} {
		if b.Lacks&perm == 0 {
			continue
		}
		if denied, err := refusal(b.ask(ctx, t, perm), perm); denied || err != nil {
			return denied, err
		}
	}
	return false, nil
}

// ask sends what needs the permission and cannot succeed.
func (b *Blocked) ask(ctx context.Context, t Target, perm zkfs.Perms) error {
	never := zkfs.Op{Kind: zkfs.OpCreate, Path: b.At.Join(probeName), ACL: zkfs.ReadOnly()}
	var ops []zkfs.Op
	switch {
	case perm == zkfs.Admin:
		_, err := t.SetACL(ctx, b.At, zkfs.ReadOnly(), noVersion)
		return err
	case perm == zkfs.Write:
		ops = []zkfs.Op{{Kind: zkfs.OpSet, Path: b.At, Version: noVersion}}
	case perm == zkfs.Create:
		ops = []zkfs.Op{never, {Kind: zkfs.OpCheck, Path: b.At, Version: noVersion}}
	case b.Lacks&zkfs.Create == 0 && b.Path.Parent() == b.At:
		ops = []zkfs.Op{{Kind: zkfs.OpDelete, Path: b.Path, Version: noVersion}}
	default: // what is there, if anything, is a contender; and CREATE is given
		ops = []zkfs.Op{never, {Kind: zkfs.OpDelete, Path: never.Path, Version: noVersion}}
	}
	_, err := t.Multi(ctx, ops)
	return err
}

// refusal tells from the answer to a probe whether the permission lacks.
func refusal(err error, perm zkfs.Perms) (denied bool, _ error) {
	me, isMulti := errors.AsType[*zkfs.MultiError](err)
	switch {
	case errors.Is(err, zkfs.ErrNoAuth):
		// The check behind a create needs READ, which is not what was asked for.
		return !isMulti || me.Index == 0 || perm != zkfs.Create, nil
	case isMulti, errors.Is(err, zkfs.ErrBadVersion), errors.Is(err, zkfs.ErrNoNode):
		return false, nil
	case err == nil:
		return false, errors.New("a request that cannot succeed was carried out")
	}
	return false, err
}
