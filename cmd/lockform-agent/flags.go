package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/zkfs/layout"
)

// positive is a flag that takes a duration longer than 0.
func positive(name, usage string, to *time.Duration) cli.Flag {
	return cmdline.Func(name, "DUR", usage, func(s string) error {
		d, err := layout.ParseDuration(s)
		if err == nil && d == 0 {
			err = errors.New("it must be longer than 0")
		}
		*to = d
		return err
	})
}

// oneOf is a flag that takes one of a few words.
func oneOf[T ~string](name, usage string, to *T, words ...T) cli.Flag {
	text := ""
	for _, w := range words {
		text += "|" + string(w)
	}
	return cmdline.Func(name, text[1:], usage, func(s string) error {
		for _, w := range words {
			if s == string(w) {
				*to = w
				return nil
			}
		}
		return fmt.Errorf("use one of %s", text[1:])
	})
}
