//go:build !linux

package boottime

import "time"

var started = time.Now()

// read begins at one, since zero means unknown.
func read() int64 { return int64(time.Since(started)) + 1 }
