package term

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ErrNoAnswer means that the input ended before there was an answer.
var ErrNoAnswer = errors.New("the input ended without an answer")

// Ask writes the question to Out and returns the line that is typed next,
// without its end. With hidden set, a terminal does not show what is typed.
//
// A read of a terminal cannot be taken back: when ctx ends, Ask returns its
// error at once and leaves the read behind, so the process should end soon.
// The terminal shows what is typed again before Ask returns.
func (s *Streams) Ask(ctx context.Context, question string, hidden bool) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	fmt.Fprint(s.Out, question)
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	file, isFile := s.In.(*os.File)
	hidden = hidden && s.InTerminal && isFile
	var before *term.State
	if hidden {
		before, _ = term.GetState(int(file.Fd()))
	}
	go func() {
		if hidden {
			b, err := term.ReadPassword(int(file.Fd()))
			got <- answer{string(b), err}
			return
		}
		line, err := readLine(s.In)
		got <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		if before != nil {
			_ = term.Restore(int(file.Fd()), before)
		}
		fmt.Fprintln(s.Out)
		return "", ctx.Err()
	case a := <-got:
		if hidden {
			fmt.Fprintln(s.Out) // what ended the line was not shown either
		}
		if errors.Is(a.err, io.EOF) {
			fmt.Fprintln(s.Out)
			return "", ErrNoAnswer
		}
		return a.line, a.err
	}
}

// readLine reads up to the next newline byte by byte: what follows belongs to
// the next question.
func readLine(r io.Reader) (string, error) {
	if b, ok := r.(*bufio.Reader); ok {
		line, err := b.ReadString('\n')
		return strings.TrimRight(line, "\r\n"), err
	}
	var line []byte
	var one [1]byte
	for {
		n, err := r.Read(one[:])
		if n == 1 {
			if one[0] == '\n' {
				return strings.TrimRight(string(line), "\r"), nil
			}
			line = append(line, one[0])
			continue
		}
		if err != nil {
			if errors.Is(err, io.EOF) && len(line) > 0 {
				return string(line), nil
			}
			return "", err
		}
	}
}
