package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// The plan of a large tree has a hundred megabytes of JSON, and every apply needs
// their digest before it writes anything: so the plan is written step by step, in
// the bytes that encoding planJSON as a whole would give, and the many steps are
// written by hand.

// The parts of planJSON and ensembleJSON before and after their long lists.
type planHead struct {
	Layout  string    `json:"layout"`
	Config  string    `json:"config,omitempty"`
	Mode    Mode      `json:"mode,omitempty"`
	Partial bool      `json:"partial,omitempty"`
	Abandon bool      `json:"abandon,omitempty"`
	Created time.Time `json:"created,omitzero"`
}

type planTail struct {
	Warnings []problemJSON `json:"warnings,omitempty"`
}

type ensembleHead struct {
	Name       string       `json:"name"`
	Servers    []string     `json:"servers,omitempty"`
	Chroot     zkfs.Path    `json:"chroot,omitempty"`
	Connection string       `json:"connection,omitempty"`
	Ledger     ledgerOfPlan `json:"ledger"`
}

type ensembleTail struct {
	Others  []preJSON     `json:"others,omitempty"`
	Drift   []driftJSON   `json:"drift,omitempty"`
	Blocked []blockedJSON `json:"blocked,omitempty"`
	Batches []batchJSON   `json:"batches,omitempty"`
	ACLs    []int         `json:"acls,omitempty"`
}

// A pieces writes parts of one JSON document.
type pieces struct {
	w     io.Writer // never fails
	ready []byte    // to be written
	buf   bytes.Buffer
	enc   *json.Encoder
}

func newPieces(w io.Writer) *pieces {
	p := &pieces{w: w}
	p.enc = json.NewEncoder(&p.buf)
	p.enc.SetEscapeHTML(false)
	return p
}

func (p *pieces) text(s string) { p.ready = append(p.ready, s...) }

// flush writes what is ready, once that is at least n bytes.
func (p *pieces) flush(n int) {
	if len(p.ready) >= n {
		_, _ = p.w.Write(p.ready)
		p.ready = p.ready[:0]
	}
}

// value writes what cannot fail to be encoded, without the given numbers of
// bytes at its ends; nothing, not even before, when nothing is left.
func (p *pieces) value(v any, before string, first, last int) {
	p.buf.Reset()
	if err := p.enc.Encode(v); err != nil {
		p.buf.Reset()
		p.buf.WriteString("null\n")
	}
	if data := p.buf.Bytes()[first : p.buf.Len()-1-last]; len(data) > 0 {
		p.text(before)
		p.ready = append(p.ready, data...)
	}
}

// write writes the plan as JSON.
func (p *Plan) write(w io.Writer) {
	out := newPieces(w)
	out.value(planHead{p.Layout, p.Config, p.Mode, p.Partial, p.Abandon, p.Created}, "", 0, 1)
	out.text(`,"ensembles":[`)
	for i := range p.Ensembles {
		if i > 0 {
			out.text(",")
		}
		p.Ensembles[i].write(out)
	}
	out.text("]")
	var tail planTail
	for _, w := range p.Warnings {
		tail.Warnings = append(tail.Warnings, problemJSON{w.Summary, w.Detail, w.Address, w.Path, posToJSON(w.Pos)})
	}
	out.value(tail, ",", 1, 1)
	out.text("}")
	out.flush(1)
}

func (e *Ensemble) write(out *pieces) {
	j := e.frameToJSON()
	out.value(ensembleHead{j.Name, j.Servers, j.Chroot, j.Connection, j.Ledger}, "", 0, 1)
	out.text(`,"steps":[`)
	for i := range e.Steps {
		if i > 0 {
			out.text(",")
		}
		out.ready = e.Steps[i].appendJSON(out.ready)
		out.flush(256 << 10)
	}
	out.text("]")
	out.value(ensembleTail{j.Others, j.Drift, j.Blocked, j.Batches, j.ACLs}, ",", 1, 1)
	out.text("}")
}

// sum returns the hexadecimal SHA-256 of the plan's JSON, of which parts are
// written while those before are summed up.
func (p *Plan) sum() string {
	h := sha256.New()
	parts := exchange{make(chan []byte, partsAhead), make(chan []byte, partsAhead)}
	for range partsAhead {
		parts.used <- nil
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		p.write(parts)
		close(parts.full)
	})
	for part := range parts.full {
		h.Write(part)
		parts.used <- part
	}
	writing.Wait()
	return hex.EncodeToString(h.Sum(nil))
}

// partsAhead is how many parts of a plan's JSON wait to be summed up at most.
const partsAhead = 4

// An exchange passes on what is written to it, in memory that comes back.
type exchange struct{ full, used chan []byte }

func (x exchange) Write(b []byte) (int, error) {
	x.full <- append((<-x.used)[:0], b...)
	return len(b), nil
}
