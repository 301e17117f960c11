// Package agent runs commands under locks: it takes the locks, runs the
// command with the environment that the contract names, passes signals on,
// stops the command with everything it has started before a lost lock can be
// anybody else's, and gives the locks up when nothing of the command is left.
//
// The process that calls Exec.Run lends itself to the command: its standard
// streams, its signals, its terminal, and its place as the parent of orphans.
// So one Exec runs in a process at a time, and nothing else in it starts
// processes meanwhile. Its main asks IsGuardian before anything else.
package agent
