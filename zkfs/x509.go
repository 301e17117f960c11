package zkfs

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The attribute types that RFC 2253 has words for; all others are written as
// their numbers.
var dnKeywords = map[string]string{
	"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET",
	"2.5.4.10": "O", "2.5.4.11": "OU",
	"0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}

type dnAttribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// The suffix SET makes encoding/asn1 read a SET OF.
type dnRelativeSET []dnAttribute

// X509 returns the identity that a client's certificate gives to a session: the
// subject as the server writes it (Java's X500Principal.getName, RFC 2253: the
// last element first, no spaces after commas).
func X509(cert *x509.Certificate) (Identity, error) {
	var rdns []dnRelativeSET
	if rest, err := asn1.Unmarshal(cert.RawSubject, &rdns); err != nil || len(rest) > 0 {
		return Identity{}, fmt.Errorf("the subject of the certificate cannot be read")
	}
	parts := make([]string, 0, len(rdns))
	for i := len(rdns) - 1; i >= 0; i-- {
		var multi []string
		for _, a := range rdns[i] {
			multi = append(multi, a.String())
		}
		parts = append(parts, strings.Join(multi, "+"))
	}
	return Identity{"x509", strings.Join(parts, ",")}, nil
}

// String returns the attribute as "CN=value", or "1.2.3=#hex" where its type
// has no word or its value is no text.
func (a dnAttribute) String() string {
	word, known := dnKeywords[a.Type.String()]
	text, ok := derText(a.Value)
	if !known || !ok {
		if !known {
			word = a.Type.String()
		}
		return word + "=#" + hex.EncodeToString(a.Value.FullBytes)
	}
	var b strings.Builder
	b.WriteString(word + "=")
	trimmed := strings.Trim(text, " ")
	lead := strings.Index(text, trimmed)
	for i, r := range text {
		outer := r == ' ' && (i < lead || i >= lead+len(trimmed))
		switch {
		case r == 0:
			b.WriteString(`\00`)
			continue
		case outer || strings.ContainsRune(`,=+<>#;"\`, r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// derText reads the string types of ASN.1.
func derText(v asn1.RawValue) (string, bool) {
	if v.Class != asn1.ClassUniversal {
		return "", false
	}
	switch v.Tag {
	case asn1.TagPrintableString, asn1.TagUTF8String, asn1.TagIA5String:
		return string(v.Bytes), utf8.Valid(v.Bytes)
	case asn1.TagT61String:
		runes := make([]rune, len(v.Bytes))
		for i, c := range v.Bytes {
			runes[i] = rune(c)
		}
		return string(runes), true
	case asn1.TagBMPString:
		units := make([]uint16, len(v.Bytes)/2)
		for i := range units {
			units[i] = uint16(v.Bytes[2*i])<<8 | uint16(v.Bytes[2*i+1])
		}
		return string(utf16.Decode(units)), len(v.Bytes)%2 == 0
	}
	return "", false
}
