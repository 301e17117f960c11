package zkconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// maxWord bounds the answer to a four-letter word. The longest ones list all
// sessions or watches.
const maxWord = 64 << 20

// FourLetterWord sends a word such as "srvr" to one server, "host:port", over a
// connection of its own and with the TLS of cfg, and returns all of the answer.
// It takes ConnectTimeout at most. A server that does not allow the word fails
// with zkfs.ErrNoAuth.
func FourLetterWord(ctx context.Context, cfg Config, host, word string) (string, error) {
	cfg, err := cfg.withDefaults()
	if err == nil && len(word) != 4 {
		err = fmt.Errorf("%w: it has not four letters", zkfs.ErrBadArguments)
	}
	if err != nil {
		return "", fmt.Errorf("the word %q: %w", word, err)
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	answer, err := askWord(ctx, cfg, host, word)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return "", fmt.Errorf("%w: %s: no answer to %q: %w", zkfs.ErrUnavailable, host, word, cause)
		}
		return "", fmt.Errorf("%w: %s: %s", zkfs.ErrUnavailable, host, causeText(err))
	}
	if strings.Contains(answer, "not in the whitelist") {
		return "", fmt.Errorf("%w: %s does not allow the word %q (its 4lw.commands.whitelist)", zkfs.ErrNoAuth, host, word)
	}
	return answer, nil
}

func askWord(ctx context.Context, cfg Config, host, word string) (string, error) {
	conn, socket, err := dialHost(ctx, host, cfg, nil)
	if err != nil {
		return "", err
	}
	defer socket.Close()
	// The end of ctx interrupts what is under way.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(conn, word); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, maxWord))
	var reset *net.OpError
	if err != nil && !(len(answer) > 0 && errors.As(err, &reset) && ctx.Err() == nil) {
		return "", err
	}
	if len(answer) == 0 {
		return "", errors.New("it closed the connection without an answer")
	}
	return string(answer), nil
}
