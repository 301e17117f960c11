//go:build faults

package faults

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

// The network is two switches: one between clients and servers, at which this
// process has the address hub, and one for the servers among themselves. So a
// server can be cut off from its peers and go on talking to its clients.
const (
	hub         = "10.77.1.254"
	clientNet   = "10.77.1."
	quorumNet   = "10.77.2."
	nobody      = "02:00:00:00:00:99" // an Ethernet address that nobody has
	clientsLink = "clients"
	quorumLink  = "quorum"
)

// A node is a machine: a network namespace of its own.
type node struct {
	name string
	num  int
	hold *exec.Cmd // a process that keeps the namespace
}

// ip runs the command ip with the arguments of a line.
func ip(format string, args ...any) error {
	line := fmt.Sprintf(format, args...)
	if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", line, err, out)
	}
	return nil
}

// startNetwork makes the switches.
func startNetwork() error {
	for _, line := range []string{
		"link set lo up",
		"link add " + clientsLink + " type bridge", "link set " + clientsLink + " up",
		"addr add " + hub + "/24 dev " + clientsLink,
		"link add " + quorumLink + " type bridge", "link set " + quorumLink + " up",
	} {
		if err := ip("%s", line); err != nil {
			return err
		}
	}
	return nil
}

// newNode makes a machine with the last part num of its addresses. Servers are
// on both networks.
func newNode(name string, num int, server bool) (*node, error) {
	n := &node{name: name, num: num, hold: exec.Command("sleep", "infinity")}
	n.hold.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := n.hold.Start(); err != nil {
		return nil, fmt.Errorf("make the namespace %s: %w", name, err)
	}
	if err := n.plug("c-"+name, clientsLink, "eth0", clientNet); err != nil {
		return nil, err
	}
	if server {
		if err := n.plug("q-"+name, quorumLink, "eth1", quorumNet); err != nil {
			return nil, err
		}
	}
	return n, n.ip("link set lo up")
}

// plug connects the machine to a switch.
func (n *node) plug(port, bridge, device, net string) error {
	if err := ip("link add %s type veth peer name %s netns %d", port, device, n.hold.Process.Pid); err != nil {
		return err
	}
	if err := ip("link set %s master %s up", port, bridge); err != nil {
		return err
	}
	if err := n.ip("addr add %s%d/24 dev %s", net, n.num, device); err != nil {
		return err
	}
	return n.ip("link set %s up", device)
}

func (n *node) address() string { return fmt.Sprintf("%s%d", clientNet, n.num) }

// command is a command on the machine. The process that is started is the
// command itself.
func (n *node) command(name string, args ...string) *exec.Cmd {
	enter := []string{fmt.Sprintf("--net=/proc/%d/ns/net", n.hold.Process.Pid), "--", name}
	return exec.Command("nsenter", append(enter, args...)...)
}

func (n *node) ip(format string, args ...any) error {
	line := fmt.Sprintf(format, args...)
	if out, err := n.command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		return fmt.Errorf("on %s: ip %s: %w: %s", n.name, line, err, out)
	}
	return nil
}

// losePackets makes everything that the machine sends to others on the network
// of clients get lost without a sign; what they send arrives.
func (n *node) losePackets(to ...*node) error {
	for _, other := range to {
		if err := n.ip("neigh replace %s lladdr %s dev eth0 nud permanent", other.address(), nobody); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) keepPackets(to ...*node) error {
	for _, other := range to {
		if err := n.ip("neigh del %s dev eth0", other.address()); err != nil {
			return err
		}
	}
	return nil
}

// isolate cuts a server off from its peers, not from its clients.
func (n *node) isolate() error { return ip("link set q-%s down", n.name) }
func (n *node) rejoin() error  { return ip("link set q-%s up", n.name) }
