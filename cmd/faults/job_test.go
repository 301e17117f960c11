//go:build faults

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs/zkconn"
)

// An event is a line of what a job writes down of its life.
type event struct {
	At    int64  `json:"at"`   // nanoseconds of CLOCK_BOOTTIME, which all processes share
	What  string `json:"what"` // start, alive, call, return
	Token int64  `json:"token,omitempty"`
	Op    int    `json:"op,omitempty"`
	Put   string `json:"put,omitempty"` // the value; "" for a read
	Code  int    `json:"code,omitempty"`
	Got   string `json:"got,omitempty"`
}

const (
	together = 3                     // how many requests of a job are under way at once
	pause    = 4 * time.Millisecond  // between two of them
	alive    = 10 * time.Millisecond // between two signs of life
)

// jobMain is the command under the lock: job URL LOG STOP. It uses the guarded
// store until the file STOP is there, and writes everything into LOG. A request
// to end it ignores: only SIGKILL stops it, as the worst of commands.
func jobMain(args []string) int {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	url, stop := args[0], args[2]
	token := os.Getenv("LOCKFORM_TOKEN")
	file, err := os.OpenFile(args[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	write := func(e event) {
		e.At = int64(zkconn.Now())
		line, _ := json.Marshal(e)
		if _, err := file.Write(append(line, '\n')); err != nil {
			panic(err)
		}
	}
	started := event{What: "start"}
	if _, err := fmt.Sscan(token, &started.Token); err != nil {
		fmt.Fprintln(os.Stderr, "no token:", err)
		return 1
	}
	write(started)

	var ops sync.WaitGroup
	ended := make(chan struct{})
	client := &http.Client{Timeout: 5 * time.Second}
	for worker := range together {
		ops.Go(func() {
			for n := worker + 1; ; n += together {
				select {
				case <-ended:
					return
				case <-time.After(pause):
				}
				e := event{What: "call", Op: n}
				method := http.MethodGet
				if rand.IntN(2) == 0 {
					method, e.Put = http.MethodPut, fmt.Sprintf("%s/%d", token, n)
				}
				write(e)
				r, _ := http.NewRequest(method, url, strings.NewReader(e.Put))
				r.Header.Set("Lockform-Token", token)
				answer, err := client.Do(r)
				if err != nil {
					continue // nobody knows what became of it
				}
				body, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if err != nil {
					continue
				}
				write(event{What: "return", Op: n, Code: answer.StatusCode, Got: string(body)})
			}
		})
	}
	for {
		write(event{What: "alive"})
		time.Sleep(alive)
		if _, err := os.Stat(stop); err == nil {
			break
		}
	}
	close(ended)
	ops.Wait()
	write(event{What: "alive"})
	return 0
}

// A log is what a job has written so far.
type log struct {
	events []event
}

func readLog(t *testing.T, name string) log {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var l log
	for _, line := range bytes.SplitAfter(data, []byte("\n")) {
		var e event
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // it is being written, or was when its writer was killed
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%s: %q: %v", name, line, err)
		}
		l.events = append(l.events, e)
	}
	return l
}

func (l log) started() bool        { return len(l.events) > 0 }
func (l log) first() time.Duration { return time.Duration(l.events[0].At) }
func (l log) last() time.Duration  { return time.Duration(l.events[len(l.events)-1].At) }
func (l log) token() int64         { return l.events[0].Token }

// returned counts the requests that were answered.
func (l log) returned() int {
	n := 0
	for _, e := range l.events {
		if e.What == "return" {
			n++
		}
	}
	return n
}
