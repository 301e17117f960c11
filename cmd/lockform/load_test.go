package main

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/lockform/lockform/hcl"
)

// TestReadEndsWithItsContext checks that ^C ends the evaluation of a layout that
// takes for ever.
func TestReadEndsWithItsContext(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a.hcl", []byte("layout \"x\" {}\nvariable \"v\" {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	release, ended := make(chan struct{}), make(chan struct{})
	_, _, err := new(app).read(ctx, hcl.Options{Ask: func(string, string, bool) (string, error) {
		defer close(ended)
		cancel(errInterrupted)
		<-release
		return "", errInterrupted
	}})
	if !errors.Is(err, errInterrupted) {
		t.Errorf("got error %v, want %v", err, errInterrupted)
	}
	close(release)
	<-ended
}
