package zkconn

import "time"

// A sendClock remembers when packets of one session were sent, as far as the
// lease needs it.
type sendClock struct {
	times []Instant // rising
	acked Instant   // the send time of the latest that was answered
}

// grain is the least distance of two times that are both kept. Leaving a later
// one out makes the lease shorter, never longer.
const grain = Instant(5 * time.Millisecond)

// sent notes a packet. Of the times older than window the latest is kept: no
// later heartbeat looks further back.
func (c *sendClock) sent(now Instant, window time.Duration) {
	if n := len(c.times); n > 0 && now < c.times[n-1]+grain {
		return
	}
	c.times = append(c.times, now)
	old := now.Add(-window)
	drop := 0
	for drop+1 < len(c.times) && c.times[drop+1] <= old {
		drop++
	}
	c.times = c.times[drop:]
}

// before returns the latest send time that is not after t, 0 if there is none.
func (c *sendClock) before(t Instant) Instant {
	for i := len(c.times) - 1; i >= 0; i-- {
		if c.times[i] <= t {
			return c.times[i]
		}
	}
	return 0
}

// acknowledged notes that the packet sent then was answered.
func (c *sendClock) acknowledged(sent Instant) { c.acked = max(c.acked, sent) }
