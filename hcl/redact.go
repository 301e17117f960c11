package hcl

import (
	"bytes"
	"encoding/json"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// redacted is shown for a literal that could be a secret.
const redacted = "…"

// A span is a part of a source, in bytes.
type span struct{ from, to int }

// secretSpans finds the literals of a source that could be secret: all of a
// variable file, and those in auth, grant and sensitive variable blocks and in
// calls of sensitive and zkdigest. It works on tokens, so that a file that
// cannot be parsed is covered too. The spans are sorted and do not overlap.
func (l *loader) secretSpans(s *source) []span {
	if s.isJSON() {
		return l.secretSpansJSON(s)
	}
	tokens, _ := hclsyntax.LexConfig(s.file.Bytes, s.name, hcl.InitialPos)
	secretVars := sensitiveVariables(tokens)
	var spans []span
	var stack []bool    // of open braces, brackets and parentheses: secret inside?
	var line []string   // words and labels since the line began
	var lineSecret bool // the value of a sensitive variable in a variable file
	inside := func() bool { return s.values || len(stack) > 0 && stack[len(stack)-1] }
	for i, t := range tokens {
		text := string(t.Bytes)
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			secret := inside()
			if t.Type == hclsyntax.TokenOBrace {
				secret = secret || opensSecret(line, secretVars)
				line = nil
			}
			if t.Type == hclsyntax.TokenOParen && i > 0 && (string(tokens[i-1].Bytes) == "sensitive" || string(tokens[i-1].Bytes) == "zkdigest") {
				secret = true
			}
			stack = append(stack, secret)
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
		case hclsyntax.TokenNewline:
			line = nil
			lineSecret = lineSecret && len(stack) > 0
		case hclsyntax.TokenEqual:
			if s.values && len(stack) == 0 && len(line) > 0 {
				d := l.decls[line[0]]
				lineSecret = d == nil || d.secret
				continue
			}
		case hclsyntax.TokenIdent:
			line = append(line, text)
		case hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit:
			line = append(line, text)
		case hclsyntax.TokenComment:
			line = nil
		}
		literal := t.Type == hclsyntax.TokenQuotedLit || t.Type == hclsyntax.TokenStringLit || t.Type == hclsyntax.TokenNumberLit || t.Type == hclsyntax.TokenComment
		if s.broken && t.Type == hclsyntax.TokenIdent && i+1 < len(tokens) {
			// A quote that is missing makes words of what was meant as text.
			next := tokens[i+1].Type
			literal = next != hclsyntax.TokenEqual && next != hclsyntax.TokenOBrace && next != hclsyntax.TokenOQuote
		}
		if s.broken && t.Type == hclsyntax.TokenQuotedNewline && (s.values || mentionsSecrets(s.file.Bytes)) {
			// From here on text and words may have changed places.
			return append(spans, span{t.Range.Start.Byte, len(s.file.Bytes)})
		}
		if lineSecret && t.Type != hclsyntax.TokenNewline || literal && inside() {
			spans = append(spans, span{t.Range.Start.Byte, t.Range.End.Byte})
		}
	}
	return spans
}

// mentionsSecrets reports whether a source has a block that could hold secrets.
func mentionsSecrets(src []byte) bool {
	for _, word := range []string{"auth", "grant", "sensitive", "zkdigest"} {
		if bytes.Contains(src, []byte(word)) {
			return true
		}
	}
	return false
}

// opensSecret reports whether the words before a brace begin a block whose
// literals could be secret.
func opensSecret(words []string, secretVars map[string]bool) bool {
	if len(words) == 0 {
		return false
	}
	switch words[0] {
	case "auth", "grant":
		return true
	case "dynamic":
		return len(words) > 1 && (words[1] == "auth" || words[1] == "grant")
	case "variable":
		return len(words) > 1 && secretVars[words[1]]
	}
	return false
}

// sensitiveVariables returns the names of the variable blocks that say
// sensitive = anything but false.
func sensitiveVariables(tokens hclsyntax.Tokens) map[string]bool {
	found := map[string]bool{}
	name := ""
	for i, t := range tokens {
		text := string(t.Bytes)
		at := func(n int) string {
			if i+n < len(tokens) {
				return string(tokens[i+n].Bytes)
			}
			return ""
		}
		switch {
		case t.Type != hclsyntax.TokenIdent:
		case text == "variable" && at(1) == `"`:
			name = at(2)
		case text == "variable":
			name = at(1)
		case text == "sensitive" && at(1) == "=" && at(2) != "false":
			found[name] = true
		}
	}
	return found
}

// secretSpansJSON is secretSpans for JSON syntax. Names are shown, values not.
func (l *loader) secretSpansJSON(s *source) []span {
	src := s.file.Bytes
	d := json.NewDecoder(strings.NewReader(string(src)))
	d.UseNumber()
	type level struct {
		object, key bool // key: the next string is a name
		secret      bool
		name        string
		variable    bool // an object of variable blocks
	}
	var spans []span
	stack := []level{{secret: s.values}}
	for {
		before := int(d.InputOffset())
		t, err := d.Token()
		if err != nil {
			// What follows cannot be told apart.
			if strings.TrimSpace(string(src[before:])) != "" {
				spans = append(spans, span{before, len(src)})
			}
			return spans
		}
		end := int(d.InputOffset())
		top := &stack[len(stack)-1]
		switch tok := t.(type) {
		case json.Delim:
			if tok == '}' || tok == ']' {
				stack = stack[:len(stack)-1]
				continue
			}
			next := level{object: tok == '{', key: tok == '{', secret: top.secret, name: top.name}
			if top.object {
				next.secret = next.secret || top.name == "auth" || top.name == "grant" || top.variable && (l.decls[top.name] == nil || l.decls[top.name].secret)
				next.variable = top.name == "variable"
				top.key = true
			} else {
				next.variable = top.variable
			}
			stack = append(stack, next)
		case string:
			if top.object && top.key {
				top.name, top.key = tok, false
				continue
			}
			top.key = top.object
			if top.secret {
				spans = append(spans, literalSpan(src, before, end))
			}
		default:
			top.key = top.object
			if _, number := tok.(json.Number); number && top.secret {
				spans = append(spans, literalSpan(src, before, end))
			}
		}
	}
}

// literalSpan takes what stands between literals and the quotes off a token.
func literalSpan(src []byte, from, to int) span {
	for from < to && strings.ContainsRune(" \t\r\n:,", rune(src[from])) {
		from++
	}
	if to-from >= 2 && src[from] == '"' && src[to-1] == '"' {
		return span{from + 1, to - 1}
	}
	return span{from, to}
}

// redact returns a part of a source, whole lines, with secret spans replaced,
// and a function that maps offsets of the source into it.
func redact(src []byte, part span, spans []span) (string, func(int) int) {
	var b strings.Builder
	type shift struct{ at, to int } // source offset, offset in the result
	shifts := []shift{{part.from, 0}}
	next := part.from
	first := sort.Search(len(spans), func(i int) bool { return spans[i].to > part.from })
	for _, s := range spans[first:] {
		if s.from >= part.to {
			break
		}
		from, to := max(s.from, part.from), min(s.to, part.to)
		if from < next || from >= to {
			continue
		}
		b.Write(src[next:from])
		if from == next && strings.HasSuffix(b.String(), redacted) && from > part.from {
			// One sign is enough for what hangs together.
			text := string(src[from:to])
			if !strings.Contains(text, "\n") {
				next = to
				shifts = append(shifts, shift{to, b.Len()})
				continue
			}
		}
		shifts = append(shifts, shift{from, b.Len()})
		// Line ends stay, so that lines keep their numbers.
		for i, text := range strings.SplitAfter(string(src[from:to]), "\n") {
			if i > 0 && text == "" {
				break
			}
			kept := strings.TrimRight(text, "\r\n")
			if kept != "" {
				b.WriteString(redacted)
			}
			b.WriteString(text[len(kept):])
		}
		next = to
		shifts = append(shifts, shift{to, b.Len()})
	}
	b.Write(src[next:part.to])
	text := b.String()
	return text, func(offset int) int {
		i, found := slices.BinarySearchFunc(shifts, offset, func(s shift, at int) int { return s.at - at })
		if found {
			return shifts[i].to
		}
		s := shifts[max(i-1, 0)]
		to := s.to + max(offset-s.at, 0)
		if i < len(shifts) {
			to = min(to, shifts[i].to)
		}
		to = min(to, len(text))
		for to > 0 && to < len(text) && !utf8.RuneStart(text[to]) {
			to--
		}
		return to
	}
}
