//go:build !linux

package zkconn

import "time"

var started = time.Now()

// Now reads the monotonic clock; it begins at one, since zero means unknown.
func Now() Instant { return Instant(time.Since(started)) + 1 }
