package zktest

import (
	"time"

	"github.com/lockform/lockform/zkfs/internal/boottime"
)

// FakeTime has leases reckoned by time.Now, which is a clock of its own in a
// bubble of testing/synctest. It holds for the whole test binary and is called
// by its TestMain.
func FakeTime() { boottime.Replace(func() int64 { return time.Now().UnixNano() }) }
