package x500

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

// The names themselves are compared with a real server's in package zkconn.

func subject(t testing.TB, name pkix.Name) []byte {
	t.Helper()
	der, err := asn1.Marshal(name.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestName(t *testing.T) {
	der := subject(t, pkix.Name{CommonName: "planner", Organization: []string{"lockform"}})
	if got, err := Name(der); got != "CN=planner,O=lockform" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := Name(subject(t, pkix.Name{})); got != "" || err != nil {
		t.Errorf("an empty subject: %q, %v", got, err)
	}
	for n := range len(der) {
		if got, err := Name(der[:n]); err == nil {
			t.Errorf("%d of %d bytes read as %q", n, len(der), got)
		}
	}
}

func FuzzName(f *testing.F) {
	f.Add(subject(f, pkix.Name{CommonName: " #a,b ", SerialNumber: "1", Country: []string{"CH"}}))
	f.Fuzz(func(t *testing.T, der []byte) {
		a, err := Name(der)
		if b, err2 := Name(der); a != b || (err == nil) != (err2 == nil) {
			t.Fatalf("%q, %v and %q, %v", a, err, b, err2)
		}
	})
}
