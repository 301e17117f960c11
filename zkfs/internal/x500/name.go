// Package x500 writes the names of certificates as ZooKeeper does, so that the
// identity of a session in the scheme x509 is known without asking a server.
package x500

import (
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
)

// attribute is a part of a distinguished name, its value as it was encoded.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

type attributesSET []attribute // the suffix tells encoding/asn1 that it is a set

// attributeNames are those that X500Principal knows in its form RFC2253.
var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET",
	"2.5.4.10": "O", "2.5.4.11": "OU", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}

// Name writes the DER of a subject as ZooKeeper's x509 provider does
// (javax.security.auth.x500.X500Principal.getName, RFC 2253): the last part
// first, attributes that RFC 2253 does not name by number and in hexadecimal.
func Name(der []byte) (string, error) {
	var parts []attributesSET
	if _, err := asn1.Unmarshal(der, &parts); err != nil {
		return "", fmt.Errorf("read the subject: %w", err)
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		if i < len(parts)-1 {
			b.WriteByte(',')
		}
		for j, a := range parts[i] {
			if j > 0 {
				b.WriteByte('+')
			}
			writeAttribute(&b, a)
		}
	}
	return b.String(), nil
}

func writeAttribute(b *strings.Builder, a attribute) {
	var text string
	name, known := attributeNames[a.Type.String()]
	if known {
		if _, err := asn1.Unmarshal(a.Value.FullBytes, &text); err != nil {
			known = false
		}
	}
	if !known {
		if name == "" {
			name = a.Type.String()
		}
		b.WriteString(name + "=#" + hex.EncodeToString(a.Value.FullBytes))
		return
	}
	b.WriteString(name + "=")
	for i, r := range text {
		first, last := i == 0, i+len(string(r)) == len(text)
		if strings.ContainsRune(`,=+<>#;"\`, r) || first && r == ' ' || last && r == ' ' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
}
