package layout

import (
	"fmt"
	"slices"
	"strings"
)

// signalNames are those that on_lost may name: what a command can sensibly be
// stopped by.
var signalNames = []string{"ABRT", "ALRM", "HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2"}

// Signal returns the name of the first signal to send, without "SIG", and ""
// for OnLostIgnore.
func (o OnLost) Signal() string {
	switch o {
	case OnLostTerminate:
		return "TERM"
	case OnLostKill:
		return "KILL"
	}
	name, _ := strings.CutPrefix(string(o), "signal:")
	if name == string(o) {
		return ""
	}
	return strings.TrimPrefix(name, "SIG")
}

func (o OnLost) validate() error {
	switch o {
	case OnLostTerminate, OnLostKill, OnLostIgnore:
		return nil
	}
	if strings.HasPrefix(string(o), "signal:") {
		if slices.Contains(signalNames, o.Signal()) {
			return nil
		}
		return fmt.Errorf("%q is not a signal that can be named here; use one of %s", o.Signal(), strings.Join(signalNames, ", "))
	}
	return fmt.Errorf(`%q is not known; use "terminate", "kill", "ignore" or "signal:NAME"`, string(o))
}
