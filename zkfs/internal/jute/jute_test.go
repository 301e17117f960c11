package jute

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	var w Writer
	w.Frame(func() {
		w.Int32(-7)
		w.Int64(1 << 40)
		w.Bool(true)
		w.Buffer(nil)
		w.Buffer([]byte{})
		w.Buffer([]byte("data"))
		w.String("/a/ü")
		w.Strings([]string{"x", ""})
		w.Strings(nil)
	})
	r := NewReader(w.Buf)
	if got, want := int(r.Int32()), len(w.Buf)-4; got != want {
		t.Fatalf("length %d, want %d", got, want)
	}
	if v := r.Int32(); v != -7 {
		t.Errorf("int %d", v)
	}
	if v := r.Int64(); v != 1<<40 {
		t.Errorf("long %d", v)
	}
	if !r.Bool() {
		t.Error("boolean is false")
	}
	if b := r.Buffer(); b != nil {
		t.Errorf("null buffer reads as %q", b)
	}
	if b := r.Buffer(); b == nil || len(b) != 0 {
		t.Errorf("empty buffer reads as %#v", b)
	}
	if b := r.Buffer(); string(b) != "data" {
		t.Errorf("buffer %q", b)
	}
	if s := r.String(); s != "/a/ü" {
		t.Errorf("string %q", s)
	}
	if s := r.Strings(); !slices.Equal(s, []string{"x", ""}) {
		t.Errorf("vector %q", s)
	}
	if s := r.Strings(); s != nil {
		t.Errorf("empty vector %q", s)
	}
	if r.Len() != 0 || r.Err() != nil {
		t.Errorf("%d bytes left, error %v", r.Len(), r.Err())
	}
}

func TestMalformed(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		read func(*Reader)
		want error
	}{
		{"IntEndsEarly", []byte{0, 0, 1}, func(r *Reader) { r.Int32() }, ErrShort},
		{"BufferLongerThanRecord", []byte{0x7f, 0xff, 0xff, 0xff, 1}, func(r *Reader) { r.Buffer() }, ErrShort},
		{"NegativeLength", []byte{0xff, 0xff, 0xff, 0xfe}, func(r *Reader) { r.Buffer() }, ErrLength},
		{"NullString", []byte{0xff, 0xff, 0xff, 0xff}, func(r *Reader) { _ = r.String() }, ErrNull},
		{"HugeVector", []byte{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0}, func(r *Reader) { r.Strings() }, ErrShort},
		{"FirstErrorStays", []byte{0xff, 0xff, 0xff, 0xfe}, func(r *Reader) { r.Buffer(); r.Int64() }, ErrLength},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(tt.in)
			tt.read(r)
			if !errors.Is(r.Err(), tt.want) {
				t.Errorf("got %v, want %v", r.Err(), tt.want)
			}
		})
	}
}

func TestNotUTF8BecomesReplacement(t *testing.T) {
	var w Writer
	w.Buffer([]byte("/a\xff"))
	if got, want := NewReader(w.Buf).String(), "/a\uFFFD"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzReader reads arbitrary bytes by an arbitrary script. It must end without
// a panic, and what it returns can never be larger than what it was given.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 'x'}, []byte("s"))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, []byte("bv"))
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0}, []byte("vilt"))
	f.Fuzz(func(t *testing.T, in, script []byte) {
		r := NewReader(in)
		for _, c := range script {
			before, failed := r.Len(), r.Err() != nil
			switch c {
			case 'i':
				r.Int32()
			case 'l':
				r.Int64()
			case 't':
				r.Bool()
			case 'b':
				if b := r.Buffer(); len(b) > len(in) {
					t.Fatalf("a buffer of %d bytes out of %d", len(b), len(in))
				}
			case 's':
				_ = r.String()
			case 'v':
				if v := r.Strings(); len(v) > len(in) {
					t.Fatalf("%d strings out of %d bytes", len(v), len(in))
				}
			}
			if r.Len() > before || failed && r.Len() != before {
				t.Fatal("a failed Reader went on reading")
			}
		}
	})
}

// A vector is read alike whatever its strings are.
func TestStrings(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, want := range map[string][]string{
		"Short":     {"a", "", "héllo", "lock-0000000001"},
		"Long":      {"a", long, "b"},
		"NotUTF8":   {"a", "\uFFFD", "b"},
		"AtTheEdge": {strings.Repeat("y", 127), strings.Repeat("z", 128)},
	} {
		t.Run(name, func(t *testing.T) {
			var w Writer
			w.Strings(want)
			if name == "NotUTF8" {
				w = Writer{}
				w.Strings([]string{"a", "\xff", "b"})
			}
			w.Int64(-1)
			r := NewReader(w.Buf)
			if got := r.Strings(); !slices.Equal(got, want) || r.Int64() != -1 || r.Err() != nil || r.Len() != 0 {
				t.Errorf("got %q, %v", got, r.Err())
			}
		})
	}
	for name, b := range map[string][]byte{
		"Null":    {0, 0, 0, 2, 0, 0, 0, 1, 'a', 0xff, 0xff, 0xff, 0xff},
		"Short":   {0, 0, 0, 2, 0, 0, 0, 1, 'a', 0, 0, 0, 9, 'b'},
		"NoBytes": {0, 0, 0, 2, 0, 0, 0, 1, 'a'},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(b)
			if r.Strings(); r.Err() == nil {
				t.Error("no error")
			}
		})
	}
}
