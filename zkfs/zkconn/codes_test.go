package zkconn

import (
	"errors"
	"testing"

	"github.com/lockform/lockform/zkfs"
)

func TestEveryCodeHasItsError(t *testing.T) {
	known := map[int32]error{
		-5: zkfs.ErrBadArguments, -6: zkfs.ErrUnimplemented, -8: zkfs.ErrBadArguments,
		-101: zkfs.ErrNoNode, -102: zkfs.ErrNoAuth, -103: zkfs.ErrBadVersion, -108: zkfs.ErrEphemeralChildren,
		-110: zkfs.ErrNodeExists, -111: zkfs.ErrNotEmpty, -112: zkfs.ErrSessionOver, -114: zkfs.ErrInvalidACL,
		-115: zkfs.ErrAuthFailed, -118: zkfs.ErrUnavailable, -119: zkfs.ErrReadOnly, -124: zkfs.ErrAuthFailed,
		-125: zkfs.ErrQuota, -127: zkfs.ErrUnavailable,
	}
	if err := codeError(0); err != nil {
		t.Errorf("no error is %v", err)
	}
	for code := int32(-200); code < 200; code++ {
		want, ok := known[code]
		if !ok {
			want = zkfs.ErrOutcomeUnknown // whatever it means, nobody may rely on it
		}
		if err := codeError(code); code != 0 && !errors.Is(err, want) {
			t.Errorf("code %d: got %v, want %v", code, err, want)
		}
	}
}
