// Package proc knows the processes of a command: those of its process group
// and those that left it, as /proc shows them; how to kill them all, and how
// to wait for children without taking away what others wait for.
package proc
