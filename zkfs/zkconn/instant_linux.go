package zkconn

import "golang.org/x/sys/unix"

// Now reads CLOCK_BOOTTIME.
func Now() Instant {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		// Kernels before 2.6.39 lack the clock; the Go runtime needs a later one.
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	}
	return Instant(ts.Nano())
}
