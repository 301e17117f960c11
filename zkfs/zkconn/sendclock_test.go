package zkconn

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The clock may leave times out, never invent later ones: what it returns was
// sent, lies before what was asked for, and is at most a grain older than the
// latest that does.
func TestSendClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const window = 10 * grain
		var c sendClock
		var all []Instant
		now := 1000 * grain
		for range rapid.IntRange(1, 200).Draw(t, "requests") {
			now += Instant(rapid.Int64Range(0, int64(3*grain)).Draw(t, "pause"))
			want := Instant(0)
			for _, s := range all {
				if s <= now-window {
					want = s
				}
			}
			got := c.before(now - window)
			if got > now-window {
				t.Fatalf("at %d: %d is younger than %d", now, got, window)
			}
			if want != 0 && (got > want || got < want-grain) {
				t.Fatalf("at %d: got %d, want %d or a little before", now, got, want)
			}
			all = append(all, now)
			c.sent(now, time.Duration(window))
			if most := int(window/grain) + 3; len(c.times) > most {
				t.Fatalf("%d times are kept, want at most %d", len(c.times), most)
			}
		}
	})
}
