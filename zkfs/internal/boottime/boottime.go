// Package boottime is the clock by which leases are reckoned.
package boottime

// now is what Now reads.
var now = read

// Now returns CLOCK_BOOTTIME in nanoseconds, on Linux. Elsewhere it is the
// monotonic clock. It is never 0.
func Now() int64 { return now() }

// Replace has Now read another clock until the process ends, for simulations.
// It is called before anything reads the clock.
func Replace(clock func() int64) { now = clock }
