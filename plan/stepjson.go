package plan

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/lockform/lockform/zkfs"
)

// appendJSON appends the step in the form of stepJSON.
func (s *Step) appendJSON(b []byte) []byte {
	text := func(name, value string) {
		if value != "" {
			b = appendString(append(b, name...), value)
		}
	}
	raw := func(name string, value []byte) {
		if len(value) > 0 {
			b = appendRaw(append(b, name...), value)
		}
	}
	number := func(name string, n int64) { b = strconv.AppendInt(append(b, name...), n, 10) }
	acl := func(name string, value zkfs.ACL) {
		if len(value) > 0 {
			b = appendACL(append(b, name...), value)
		}
	}
	start := len(b)
	text(`,"address":`, string(s.Address))
	text(`,"previous":`, string(s.Previous))
	b = appendString(append(b, `,"path":`...), string(s.Path))
	b[start] = '{'
	b = appendString(append(b, `,"kind":`...), string(s.Kind))
	b = append(b, `,"actions":`...)
	if s.Actions == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, '[')
		for i, a := range s.Actions {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, string(a))
		}
		b = append(b, ']')
	}
	text(`,"reason":`, s.Reason)
	if s.Data != nil && len(s.Data) == 0 {
		b = append(b, `,"clear":true`...)
	}
	raw(`,"data":`, s.Data)
	raw(`,"old":`, s.OldData)
	if s.Foreign != 0 {
		number(`,"foreign":`, int64(s.Foreign))
	}
	acl(`,"acl":`, s.ACL)
	acl(`,"old_acl":`, s.OldACL)
	b = appendString(append(b, `,"pre":{"path":`...), string(s.Pre.Path))
	number(`,"czxid":`, s.Pre.Czxid)
	number(`,"version":`, int64(s.Pre.Version))
	number(`,"aversion":`, int64(s.Pre.Aversion))
	b = append(b, '}')
	if p := posToJSON(s.Pos); p != nil {
		b = appendString(append(b, `,"pos":{"file":`...), p.File)
		number(`,"line":`, int64(p.Line))
		if p.Column != 0 {
			number(`,"column":`, int64(p.Column))
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendString appends text as encoding/json writes a string.
func appendString[T string | []byte](b []byte, s T) []byte {
	start := len(b)
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c > '~':
			return append(b[:start], jsonOf(string(s))...)
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// appendRaw appends JSON without the space that it may have between its parts.
// What is none becomes null.
func appendRaw(b, value []byte) []byte {
	for _, space := range []byte(" \t\r\n") { // four quick looks, where ContainsAny is a slow one
		if bytes.IndexByte(value, space) >= 0 {
			return append(b, jsonOf(json.RawMessage(value))...)
		}
	}
	if value[0] != '{' {
		return append(b, jsonOf(json.RawMessage(value))...)
	}
	return append(b, value...)
}

// appendACL appends an ACL in the form of aclJSON.
func appendACL(b []byte, acl zkfs.ACL) []byte {
	b = append(b, '[')
	var room [128]byte
	for i, e := range acl {
		if i > 0 {
			b = append(b, ',')
		}
		entry := append(append(room[:0], e.Scheme...), ':')
		entry = append(append(entry, e.ID...), ':')
		b = appendString(b, append(entry, e.Perms.String()...))
	}
	return append(b, ']')
}
