package main

import (
	"errors"
	"os"

	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
)

// streamFlags are -json and -json-into.
type streamFlags struct {
	json bool
	into string
}

// streaming runs action with the streams that the flags ask for. What action
// fails with goes into them before they are closed.
func (a *app) streaming(f streamFlags, action func() error) (err error) {
	if f.json {
		a.mute = true
		a.streams = append(a.streams, &plan.Stream{W: a.Out})
	}
	if f.into != "" {
		file, err := os.OpenFile(f.into, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return &fault{summary: "cannot write the file of -json-into", detail: sentence(err.Error()), err: err}
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		a.streams = append(a.streams, &plan.Stream{W: file})
	}
	for _, s := range a.streams {
		s.Version(zkfs.Version())
	}
	err = action()
	a.failed(err)
	for _, s := range a.streams {
		err = errors.Join(err, s.Err)
	}
	return err
}
