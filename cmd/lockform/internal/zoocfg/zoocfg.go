// Package zoocfg reads from a server's zoo.cfg what the embedded server can
// make use of.
package zoocfg

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Config is what a zoo.cfg says. Zero values are not set in it.
type Config struct {
	Listen                               string // host:port of plain connections; the port alone leaves the host to the reader as ""
	TickTime                             time.Duration
	MinSessionTimeout, MaxSessionTimeout time.Duration
	ReapInterval                         time.Duration // znode.container.checkIntervalMs
	SuperDigest                          string
	// Unused are the settings that an embedded server has no use for, sorted.
	Unused []string
}

// An Error tells what is wrong with a line.
type Error struct {
	Line   int
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// Parse reads the text of a zoo.cfg, which has the form of Java's properties
// (java.util.Properties, without its escapes): one "key=value" on a line, comments after # or !. Of settings that stand
// twice the last one counts. The error is an *Error.
func Parse(text string) (Config, error) {
	var c Config
	host, port := "", ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		n := strings.IndexAny(line, "=: \t")
		if n <= 0 {
			return Config{}, &Error{i + 1, fmt.Sprintf("%q is not key=value", line)}
		}
		key := line[:n]
		value := strings.TrimSpace(line[n:])
		if value != "" && (value[0] == '=' || value[0] == ':') {
			value = strings.TrimSpace(value[1:])
		}
		var err error
		switch strings.TrimPrefix(key, "zookeeper.") {
		case "clientPort":
			var p uint64
			if p, err = strconv.ParseUint(value, 10, 16); err == nil {
				port = fmt.Sprint(p)
			}
		case "clientPortAddress":
			host = value
		case "tickTime":
			err = milliseconds(value, &c.TickTime)
		case "minSessionTimeout":
			err = milliseconds(value, &c.MinSessionTimeout)
		case "maxSessionTimeout":
			err = milliseconds(value, &c.MaxSessionTimeout)
		case "znode.container.checkIntervalMs":
			err = milliseconds(value, &c.ReapInterval)
		case "DigestAuthenticationProvider.superDigest":
			c.SuperDigest = value
		default:
			if !slices.Contains(c.Unused, key) {
				c.Unused = append(c.Unused, key)
			}
		}
		if err != nil {
			return Config{}, &Error{i + 1, fmt.Sprintf("%s is %q: it must be a number", key, value)}
		}
	}
	if c.MinSessionTimeout > 0 && c.MaxSessionTimeout > 0 && c.MinSessionTimeout > c.MaxSessionTimeout {
		return Config{}, &Error{strings.Count(text, "\n") + 1, "minSessionTimeout is larger than maxSessionTimeout"}
	}
	if port != "" {
		c.Listen = net.JoinHostPort(host, port)
	}
	slices.Sort(c.Unused)
	return c, nil
}

// milliseconds reads a time; -1 stands for the server's default, as it does
// there.
func milliseconds(s string, to *time.Duration) error {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < -1 {
		return strconv.ErrSyntax
	}
	if n > 0 {
		*to = time.Duration(n) * time.Millisecond
	}
	return nil
}
