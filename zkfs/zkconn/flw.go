package zkconn

import (
	"context"

	"github.com/lockform/lockform/zkfs"
)

// FourLetterWord sends a word such as "srvr" to one server, "host:port", over a
// connection of its own and with the TLS of cfg, and returns all of the answer.
func FourLetterWord(ctx context.Context, cfg Config, host, word string) (string, error) {
	return "", zkfs.ErrUnimplemented
}
