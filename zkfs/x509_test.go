package zkfs

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

// TestX509 checks the id of a certificate: the last part of its subject first.
func TestX509(t *testing.T) {
	dc := pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "example"}
	for name, c := range map[string]struct {
		subject pkix.Name
		want    string
	}{
		"LastFirst":    {pkix.Name{CommonName: "planner", Organization: []string{"lockform"}, Country: []string{"CH"}}, "CN=planner,O=lockform,C=CH"},
		"Escaped":      {pkix.Name{CommonName: ` a,b+c="d";<e>#\ `}, `CN=\ a\,b\+c\=\"d\"\;\<e\>\#\\\ `},
		"NoWord":       {pkix.Name{CommonName: "x", SerialNumber: "7"}, "2.5.4.5=#130137,CN=x"},
		"DomainParts":  {pkix.Name{CommonName: "x", ExtraNames: []pkix.AttributeTypeAndValue{dc}}, "DC=example,CN=x"},
		"SeveralUnits": {pkix.Name{OrganizationalUnit: []string{"a", "b"}}, "OU=a+OU=b"},
		"NotASCII":     {pkix.Name{CommonName: "größe"}, "CN=größe"},
		"Empty":        {pkix.Name{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			der, err := asn1.Marshal(c.subject.ToRDNSequence())
			if err != nil {
				t.Fatal(err)
			}
			got, err := X509(&x509.Certificate{RawSubject: der})
			if err != nil || got != (Identity{"x509", c.want}) {
				t.Errorf("got %q, %v, want %q", got.ID, err, c.want)
			}
		})
	}
	if _, err := X509(&x509.Certificate{RawSubject: []byte("nonsense")}); err == nil {
		t.Errorf("nonsense gave no error")
	}
}

// FuzzX509 checks that a subject as a peer may send it is read or refused, and
// that reading cuts off nothing without saying so.
func FuzzX509(f *testing.F) {
	der, err := asn1.Marshal(pkix.Name{CommonName: " #a,b ", SerialNumber: "1", Country: []string{"CH"}}.ToRDNSequence())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, der []byte) {
		if _, err := X509(&x509.Certificate{RawSubject: der}); err != nil {
			return
		}
		if _, err := X509(&x509.Certificate{RawSubject: append(der, 0)}); err == nil {
			t.Fatalf("%x with a byte behind it was read", der)
		}
	})
}
