package term

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAsk(t *testing.T) {
	tests := map[string]struct {
		in, want string
		err      error
	}{
		"ALine":                {"yes\nmore\n", "yes", nil},
		"CarriageReturn":       {"yes\r\n", "yes", nil},
		"AnEmptyLine":          {"\n", "", nil},
		"ALineWithoutItsEnd":   {"yes", "yes", nil},
		"NothingAtAll":         {"", "", ErrNoAnswer},
		"SpacesBelongToAnswer": {" yes \n", " yes ", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			s := &Streams{In: strings.NewReader(tt.in), Out: &out}
			got, err := s.Ask(t.Context(), "Well? ", false)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %q and %v, want %q and %v", got, err, tt.want, tt.err)
			}
			if !strings.HasPrefix(out.String(), "Well? ") {
				t.Errorf("the question is missing in %q", out.String())
			}
		})
	}
}

func TestAskLeavesTheRestForTheNextQuestion(t *testing.T) {
	s := &Streams{In: strings.NewReader("one\ntwo\n"), Out: io.Discard}
	for _, want := range []string{"one", "two"} {
		if got, err := s.Ask(t.Context(), "", false); got != want || err != nil {
			t.Errorf("got %q and %v, want %q", got, err, want)
		}
	}
}

func TestAskEndsWithItsContext(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close() // ends the read that is left behind
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan struct{})
	go func() {
		defer close(cancelled)
		cancel()
	}()
	s := &Streams{In: r, Out: io.Discard}
	if _, err := s.Ask(ctx, "", false); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	<-cancelled
}

func TestProgressShowsNothingWithoutATerminal(t *testing.T) {
	var b bytes.Buffer
	p := (&Streams{Err: &b}).Progress("Reading")
	p.Set("Reading", 1, 2)
	p.Print(&b, "a line")
	p.Stop()
	p.Stop()
	if got := b.String(); got != "a line\n" {
		t.Errorf("got %q", got)
	}
}

func TestProgressLine(t *testing.T) {
	tests := map[string]struct {
		done, total int
		want        string
	}{
		"Unknown":      {0, 0, "Reading (10s)"},
		"Count":        {1000, 0, "Reading: 1000"},
		"OfTotal":      {250, 1000, "Reading [#####...............] 250 of 1000, 25/s, 30s left"},
		"BeforeAnyOne": {0, 10, "Reading [....................] 0 of 10"},
		"All":          {10, 10, "Reading [####################] 10 of 10, 1/s, 0s left"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			p := &Progress{w: &b, start: time.Now().Add(-10 * time.Second), what: "Reading", done: tt.done, total: tt.total}
			p.draw()
			if got := strings.TrimPrefix(b.String(), "\r\x1b[K"); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestProgressWaitsASecondAndCleansUp(t *testing.T) {
	var b bytes.Buffer
	p := (&Streams{Err: &b, ErrTerminal: true}).Progress("Reading")
	p.Stop()
	if b.Len() > 0 {
		t.Errorf("it showed %q at once", b.String())
	}
}

// shared is a terminal that several goroutines write to.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
	some chan struct{} // closed at the first write
	once sync.Once
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.once.Do(func() { close(s.some) })
	return s.text.Write(b)
}

func TestProgressIsShownAndTakenAway(t *testing.T) {
	w := &shared{some: make(chan struct{})}
	p := (&Streams{Err: w, ErrTerminal: true}).progress("Reading", time.Millisecond)
	select {
	case <-w.some:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was shown within 10s")
	}
	p.Print(w, "a line")
	p.Stop()
	got := w.text.String()
	if !strings.HasPrefix(got, "\r\x1b[KReading") || !strings.Contains(got, "\r\x1b[Ka line\n") {
		t.Errorf("got %q", got)
	}
	last := got[strings.LastIndex(got, "\n")+1:]
	if last != "" && !strings.HasSuffix(last, "\r\x1b[K") {
		t.Errorf("it left %q on the terminal", last)
	}
}

func TestPaint(t *testing.T) {
	if got, want := Paint(true, "x", Bold, Red), "\x1b[1;31mx\x1b[0m"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Paint(false, "x", Bold); got != "x" {
		t.Errorf("got %q without colours", got)
	}
}

func TestColoursNeedATerminal(t *testing.T) {
	for _, tt := range []struct{ terminal, off, want bool }{{true, false, true}, {true, true, false}, {false, false, false}} {
		s := Streams{OutTerminal: tt.terminal, ErrTerminal: tt.terminal, NoColor: tt.off}
		if s.OutColor() != tt.want || s.ErrColor() != tt.want {
			t.Errorf("terminal %v, NoColor %v: got %v", tt.terminal, tt.off, s.OutColor())
		}
	}
}
