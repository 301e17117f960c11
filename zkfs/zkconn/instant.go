package zkconn

import (
	"time"

	"github.com/lockform/lockform/zkfs/internal/boottime"
)

// An Instant is a reading of CLOCK_BOOTTIME in nanoseconds: a clock that no
// one sets and that goes on while the machine is suspended, as the server's
// clock does. Elsewhere than on Linux it is the monotonic clock, which may
// stand still during a suspend. The zero Instant lies before all others.
type Instant int64

// Now reads the clock.
func Now() Instant { return Instant(boottime.Now()) }

// IsZero reports whether nothing is known.
func (i Instant) IsZero() bool { return i == 0 }

// Add returns the instant d later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns the time from j to i.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i - j) }

// Before reports whether i is earlier than j.
func (i Instant) Before(j Instant) bool { return i < j }

// After reports whether i is later than j.
func (i Instant) After(j Instant) bool { return i > j }

// Until returns the time from now to i; it is negative when i has passed.
func (i Instant) Until() time.Duration { return i.Sub(Now()) }

// Time returns what the wall clock will show at i if nobody sets it: good for
// people, not for deciding whether a lease still holds.
func (i Instant) Time() time.Time {
	if i.IsZero() {
		return time.Time{}
	}
	return time.Now().Add(i.Until())
}
