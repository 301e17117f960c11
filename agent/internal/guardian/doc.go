// Package guardian kills a command when the agent that runs it cannot: a small
// process beside it that is told every new deadline through a pipe, kills the
// command's processes when the last one has come, and at once when the pipe
// closes because the agent is gone.
//
// It holds no lock, knows no ZooKeeper and needs no cooperation of a stopped
// agent. What it cannot cover is a stop of the whole machine, or of itself.
package guardian
