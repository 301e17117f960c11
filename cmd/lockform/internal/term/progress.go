package term

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progressDelay is how long work may take before it is shown.
const progressDelay = time.Second

// Progress shows on a terminal how far some work is, on one line that is
// rewritten, once the work has taken longer than a second. Where there is no
// terminal it shows nothing. The methods may be called from any goroutine.
type Progress struct {
	w     io.Writer     // nil: show nothing
	delay time.Duration // before the line is shown

	mu          sync.Mutex
	start       time.Time // of what is being done
	what        string
	done, total int
	shown       bool
	stopped     bool
	quit        chan struct{}
	ended       chan struct{}
}

// Progress begins to show work on the terminal behind Err. Stop must be called.
func (s *Streams) Progress(what string) *Progress {
	return s.progress(what, progressDelay)
}

func (s *Streams) progress(what string, delay time.Duration) *Progress {
	p := &Progress{start: time.Now(), delay: delay, what: what, quit: make(chan struct{}), ended: make(chan struct{})}
	if !s.ErrTerminal {
		close(p.ended)
		return p
	}
	p.w = s.Err
	go p.run()
	return p
}

func (p *Progress) run() {
	defer close(p.ended)
	t := time.NewTimer(p.delay)
	defer t.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-t.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
			t.Reset(200 * time.Millisecond)
		}
	}
}

// Set says what is being done and how far it is. A total of 0 means that it is
// not known.
func (p *Progress) Set(what string, done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if what != p.what {
		p.start = time.Now()
	}
	p.what, p.done, p.total = what, done, total
}

// draw rewrites the line: the work, how far, also as a bar, how fast and how long
// still.
func (p *Progress) draw() {
	elapsed := time.Since(p.start)
	line := p.what
	switch {
	case p.total > 0:
		line += fmt.Sprintf(" %s %d of %d", bar(p.done, p.total), p.done, p.total)
		if rate := float64(p.done) / elapsed.Seconds(); p.done > 0 && rate > 0 {
			left := time.Duration(float64(p.total-p.done) / rate * float64(time.Second))
			line += fmt.Sprintf(", %.0f/s, %s left", rate, left.Round(time.Second))
		}
	case p.done > 0:
		line += fmt.Sprintf(": %d", p.done)
	default:
		line += fmt.Sprintf(" (%s)", elapsed.Round(time.Second))
	}
	if width := Width(p.w); width > 0 && len(line) >= width {
		line = line[:width-1]
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
	p.shown = true
}

// bar draws how much of the total is done.
func bar(done, total int) string {
	const cells = 20
	n := max(0, min(cells, cells*done/total))
	return "[" + strings.Repeat("#", n) + strings.Repeat(".", cells-n) + "]"
}

// Print writes a line to w, which may be the same terminal, out of the way of
// what is shown.
func (p *Progress) Print(w io.Writer, line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
	fmt.Fprintln(w, line)
}

// Stop ends the display and removes its line. It may be called again.
func (p *Progress) Stop() {
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return
	}
	p.stopped = true
	p.mu.Unlock()
	close(p.quit)
	<-p.ended
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
