// Package jute is the codec of ZooKeeper's wire protocol: big-endian integers,
// length-prefixed buffers and strings, counted vectors (org.apache.jute,
// BinaryInputArchive and BinaryOutputArchive).
//
// It knows the primitive forms only; records are put together by their users,
// field by field. Nothing here blocks, and nothing allocates more than the
// input's own length.
package jute

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf8"
)

// The ways in which input can be malformed.
var (
	ErrShort  = errors.New("jute: the record ends early")
	ErrLength = errors.New("jute: unreasonable length")
	// ErrNull is a null where the protocol allows none. Java's server fails
	// on it with a NullPointerException, later and elsewhere.
	ErrNull = errors.New("jute: a null string")
)

// A Reader takes values off a record. After the first malformed one all
// further values are zero, so that a caller reads a whole record and then asks
// Err once. The zero Reader is an empty record.
type Reader struct {
	buf []byte
	err error
}

// NewReader returns a Reader of b, which the Reader does not change.
func NewReader(b []byte) *Reader { return &Reader{buf: b} }

// Err returns the first error, or nil.
func (r *Reader) Err() error { return r.err }

// Fail makes err the error, if there is none yet.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Len returns the number of bytes not yet read.
func (r *Reader) Len() int { return len(r.buf) }

func (r *Reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.buf) {
		r.err = ErrShort
		return nil
	}
	b := r.buf[:n]
	r.buf = r.buf[n:]
	return b
}

// Int32 reads an int.
func (r *Reader) Int32() int32 {
	b := r.take(4)
	if b == nil {
		return 0
	}
	return int32(binary.BigEndian.Uint32(b))
}

// Int64 reads a long.
func (r *Reader) Int64() int64 {
	b := r.take(8)
	if b == nil {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b))
}

// Bool reads a boolean; every byte but zero is true.
func (r *Reader) Bool() bool {
	b := r.take(1)
	return b != nil && b[0] != 0
}

// raw reads a length and that many bytes, without a copy; null is true for the
// length -1.
func (r *Reader) raw() (b []byte, null bool) {
	n := r.Int32()
	switch {
	case r.err != nil:
		return nil, true
	case n == -1:
		return nil, true
	case n < 0:
		r.err = ErrLength
		return nil, true
	}
	return r.take(int(n)), false
}

// Buffer reads a buffer into memory of its own; nil for the length -1, which
// differs from an empty one.
func (r *Reader) Buffer() []byte {
	b, null := r.raw()
	if null || r.err != nil {
		return nil
	}
	c := make([]byte, len(b))
	copy(c, b)
	return c
}

// Rest reads all that is left, without a copy.
func (r *Reader) Rest() []byte { return r.take(len(r.buf)) }

// NullString reads a string that may be null. Bytes that are not UTF-8 become
// U+FFFD, as in Java.
func (r *Reader) NullString() (s string, null bool) {
	b, null := r.raw()
	return strings.ToValidUTF8(string(b), "\uFFFD"), null
}

// String reads a string; a null is an error.
func (r *Reader) String() string {
	s, null := r.NullString()
	if null {
		r.Fail(ErrNull)
	}
	return s
}

// Count reads the length of a vector whose elements take at least size bytes
// each; -1, a null vector, reads as no elements. A count that the rest of the
// record cannot hold is an error, so that no caller allocates for it.
func (r *Reader) Count(size int) int {
	n := int(r.Int32())
	if n <= 0 || r.err != nil {
		return 0
	}
	if n > len(r.buf)/max(size, 1) {
		r.err = ErrShort
		return 0
	}
	return n
}

// Strings reads a vector of strings.
func (r *Reader) Strings() []string {
	n := r.Count(4)
	if n == 0 {
		return nil
	}
	all := make([]string, 0, n)
	if text, ok := r.run(n); ok {
		for at := 0; len(all) < n; {
			size := int(binary.BigEndian.Uint32(r.take(4)))
			r.take(size)
			all = append(all, text[at+4:at+4+size])
			at += 4 + size
		}
		return all
	}
	for range n {
		all = append(all, r.String())
	}
	return all
}

// run returns the next n strings with their lengths as one string, which they
// can share: a long vector of short ones costs two allocations then. False means
// that one is null, malformed or no UTF-8, or longer than a byte of ASCII says.
func (r *Reader) run(n int) (string, bool) {
	end := 0
	for range n {
		if len(r.buf)-end < 4 {
			return "", false
		}
		size := binary.BigEndian.Uint32(r.buf[end:])
		if size >= utf8.RuneSelf || int(size) > len(r.buf)-end-4 {
			return "", false
		}
		end += 4 + int(size)
	}
	if !utf8.Valid(r.buf[:end]) {
		return "", false
	}
	return string(r.buf[:end]), true
}

// A Writer appends values to a record. The zero Writer is empty and ready.
type Writer struct {
	Buf []byte
}

// Int32 writes an int.
func (w *Writer) Int32(v int32) { w.Buf = binary.BigEndian.AppendUint32(w.Buf, uint32(v)) }

// Int64 writes a long.
func (w *Writer) Int64(v int64) { w.Buf = binary.BigEndian.AppendUint64(w.Buf, uint64(v)) }

// Bool writes a boolean.
func (w *Writer) Bool(v bool) {
	var b byte
	if v {
		b = 1
	}
	w.Buf = append(w.Buf, b)
}

// Buffer writes a buffer; nil has the length -1.
func (w *Writer) Buffer(b []byte) {
	if b == nil {
		w.Int32(-1)
		return
	}
	w.Int32(int32(len(b)))
	w.Buf = append(w.Buf, b...)
}

// String writes a string, given in one or several parts.
func (w *Writer) String(parts ...string) {
	n := 0
	for _, s := range parts {
		n += len(s)
	}
	w.Int32(int32(n))
	for _, s := range parts {
		w.Buf = append(w.Buf, s...)
	}
}

// Strings writes a vector of strings.
func (w *Writer) Strings(all []string) {
	w.Int32(int32(len(all)))
	for _, s := range all {
		w.String(s)
	}
}

// Frame writes what body writes, preceded by its length in bytes: one packet.
func (w *Writer) Frame(body func()) {
	start := len(w.Buf)
	w.Int32(0)
	body()
	binary.BigEndian.PutUint32(w.Buf[start:], uint32(len(w.Buf)-start-4))
}
