package main

import (
	"bytes"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// A taker is an agent that takes /locks/a: one of the commands that do.
type taker struct {
	*exec.Cmd
	said bytes.Buffer // to be read after its end
}

// eachTaker runs f for exec and for hold.
func eachTaker(t *testing.T, f func(t *testing.T, start func(servers string, flags ...string) *taker)) {
	for name, behind := range map[string][]string{"exec": {"/locks/a", "--", "true"}, "hold": {"/locks/a"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, func(servers string, flags ...string) *taker {
				t.Helper()
				k := &taker{Cmd: agentCommand(servers, append(append([]string{name}, flags...), behind...)...)}
				k.Stderr = &k.said
				if _, err := k.StdinPipe(); err != nil { // open until its end
					t.Fatal(err)
				}
				if err := k.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = k.Process.Kill() })
				return k
			})
		})
	}
}

// ends checks that it ends within a time, with a code.
func (k *taker) ends(t *testing.T, within time.Duration, code int) {
	t.Helper()
	began := time.Now()
	timer := time.AfterFunc(patience, func() { _ = k.Process.Kill() })
	defer timer.Stop()
	_ = k.Wait() // its code is looked at
	if took := time.Since(began); took > within {
		t.Errorf("it took %s, more than %s", took, within)
	}
	if got := k.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d, not %d; it said %q", got, code, k.said.String())
	}
}

// -wait is one deadline, which the time for connecting is part of. A server that
// does not answer is no lock that somebody holds: the code is the agent's own.
func TestTheWaitEndsWhileItConnects(t *testing.T) {
	eachTaker(t, func(t *testing.T, start func(string, ...string) *taker) {
		k := start(listenMute(t), "-wait=300ms")
		k.ends(t, 3*time.Second, 125)
		if want := "the wait of 300ms ended without a session"; !strings.Contains(k.said.String(), want) {
			t.Errorf("it said %q, not %q", k.said.String(), want)
		}
	})
}

func TestTheWaitCountsFromTheStart(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		s, err := connect(e.Servers)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close(t.Context())
		if err := declareLock(s, "/locks/a", testPolicy()); err != nil {
			t.Fatal(err)
		}
		startHolder(t, e.Servers, "/locks/a")
		// Most of the time goes by before the server is heard.
		const wait, late = 2 * time.Second, 1500 * time.Millisecond
		eachTaker(t, func(t *testing.T, start func(string, ...string) *taker) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			p := &proxy{l, e.Addr, make(chan struct{})}
			defer p.close()
			time.AfterFunc(late, p.serve)
			start(p.addr()+e.Chroot.String(), "-wait="+wait.String()).ends(t, wait+time.Second, 124)
		})
	})
}

// A signal ends it as quickly before there is a session as it does in the queue.
func TestASignalEndsConnecting(t *testing.T) {
	eachTaker(t, func(t *testing.T, start func(string, ...string) *taker) {
		for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			k := start(l.Addr().String())
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if err := k.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			k.ends(t, time.Second, 128+int(sig))
			c.Close()
			l.Close()
		}
	})
}
