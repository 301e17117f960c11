package layout

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a duration with units, Go's and "d" for 24 hours, such
// as "90s", "1h30m" or "7d". It is never negative.
func ParseDuration(s string) (time.Duration, error) {
	var days time.Duration
	rest := s
	if i := strings.IndexByte(s, 'd'); i >= 0 {
		n, err := strconv.ParseFloat(s[:i], 64)
		if err != nil || !(n >= 0 && n < 106751) { // written so that NaN is refused
			return 0, badDuration(s)
		}
		days, rest = time.Duration(n*24*float64(time.Hour)), s[i+1:]
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || days+d < 0 || strings.ContainsAny(rest, "+-") {
		return 0, badDuration(s)
	}
	return days + d, nil
}

func badDuration(s string) error {
	return fmt.Errorf(`%q is not a duration; write it with units, such as "500ms", "15s", "1h30m" or "7d"`, s)
}

// ParseLimit reads a duration, or "none" for NoLimit.
func ParseLimit(s string) (time.Duration, error) {
	if s == "none" {
		return NoLimit, nil
	}
	d, err := ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf(`%w, or "none"`, err)
	}
	return d, nil
}

// FormatDuration returns d as Go writes it, and NoLimit as "none".
func FormatDuration(d time.Duration) string {
	if d == NoLimit {
		return "none"
	}
	return d.String()
}
