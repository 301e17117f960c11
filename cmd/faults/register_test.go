//go:build faults

package faults

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// A request is the input of an operation on the guarded register.
type request struct {
	token int64
	put   string // "" for a read
}

// An answer is its output.
type answer struct {
	code    int
	got     string
	unknown bool // it never came
}

// A register is the state: the highest token that was seen, and the value.
type register struct {
	mark  int64
	value string
}

// guarded is the register as it has to behave: it accepts a request if and only
// if its token is not below the highest one.
var guarded = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		s, in, out := state.(register), input.(request), output.(answer)
		if in.token < s.mark {
			return out.unknown || out.code == 409, s
		}
		s.mark = in.token
		if in.put != "" {
			s.value = in.put
			return out.unknown || out.code == 204, s
		}
		if s.value == "" {
			return out.unknown || out.code == 404, s
		}
		return out.unknown || out.code == 200 && out.got == s.value, s
	},
	DescribeOperation: func(input, output any) string {
		in, out := input.(request), output.(answer)
		return fmt.Sprintf("%d %q → %d %q", in.token, in.put, out.code, strings.TrimSpace(out.got))
	},
}

// history makes the operations of jobs out of their logs. One that was never
// answered may happen at any later time.
func history(logs ...log) []porcupine.Operation {
	var ops []porcupine.Operation
	for i, l := range logs {
		open := make(map[int]porcupine.Operation)
		for _, e := range l.events {
			switch e.What {
			case "call":
				open[e.Op] = porcupine.Operation{
					ClientId: i*together + e.Op%together, Call: e.At, Return: math.MaxInt64,
					Input: request{l.token(), e.Put}, Output: answer{unknown: true},
				}
			case "return":
				op := open[e.Op]
				delete(open, e.Op)
				op.Return, op.Output = e.At, answer{code: e.Code, got: e.Got}
				ops = append(ops, op)
			}
		}
		for _, op := range open {
			ops = append(ops, op)
		}
	}
	return ops
}

// checkRegister fails the test when the history of the register is not that of
// one guarded register, or is too short to tell.
func checkRegister(t *testing.T, least int, logs ...log) {
	t.Helper()
	ops := history(logs...)
	if len(ops) < least {
		t.Errorf("only %d operations, want %d", len(ops), least)
	}
	switch porcupine.CheckOperationsTimeout(guarded, ops, time.Minute) {
	case porcupine.Ok:
	case porcupine.Unknown:
		t.Error("whether the register is linearizable was not found out in time")
	default:
		t.Errorf("the register is not linearizable (%d operations)", len(ops))
	}
}

// The checker would be of no use if it let the faults of a store pass.
func TestCheckerFindsFaults(t *testing.T) {
	op := func(call, ret int64, in request, out answer) porcupine.Operation {
		return porcupine.Operation{Call: call, Return: ret, Input: in, Output: out}
	}
	for name, c := range map[string]struct {
		ops  []porcupine.Operation
		want bool
	}{
		"InOrder":         {[]porcupine.Operation{op(1, 2, request{5, "a"}, answer{code: 204}), op(3, 4, request{7, ""}, answer{code: 200, got: "a"})}, true},
		"StaleRefused":    {[]porcupine.Operation{op(1, 2, request{7, "a"}, answer{code: 204}), op(3, 4, request{5, "b"}, answer{code: 409})}, true},
		"StaleAccepted":   {[]porcupine.Operation{op(1, 2, request{7, "a"}, answer{code: 204}), op(3, 4, request{5, "b"}, answer{code: 204})}, false},
		"FreshRefused":    {[]porcupine.Operation{op(1, 2, request{5, "a"}, answer{code: 204}), op(3, 4, request{7, "b"}, answer{code: 409})}, false},
		"LostWrite":       {[]porcupine.Operation{op(1, 2, request{5, "a"}, answer{code: 204}), op(3, 4, request{5, "b"}, answer{code: 204}), op(5, 6, request{5, ""}, answer{code: 200, got: "a"})}, false},
		"UnansweredLater": {[]porcupine.Operation{op(1, math.MaxInt64, request{5, "a"}, answer{unknown: true}), op(3, 4, request{5, ""}, answer{code: 404}), op(5, 6, request{5, ""}, answer{code: 200, got: "a"})}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := porcupine.CheckOperations(guarded, c.ops); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
