package hcl

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"golang.org/x/text/encoding/ianaindex"
)

// stringFunc returns a function of strings.
func stringFunc(description string, params []string, f func(args []string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Description: description,
		Params:      stringParams(params),
		Type:        function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(texts(args))
			if err != nil {
				return cty.NilVal, err
			}
			return cty.StringVal(s), nil
		},
	})
}

// stringTest returns a function of strings that is true or false.
func stringTest(description string, params []string, f func(args []string) bool) function.Function {
	return function.New(&function.Spec{
		Description: description,
		Params:      stringParams(params),
		Type:        function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(texts(args))), nil
		},
	})
}

func stringParams(names []string) (all []function.Parameter) {
	for _, n := range names {
		all = append(all, function.Parameter{Name: n, Type: cty.String})
	}
	return all
}

func texts(args []cty.Value) (all []string) {
	for _, a := range args {
		all = append(all, a.AsString())
	}
	return all
}

var (
	startsWithFunc = stringTest("Whether a text begins with another.", []string{"str", "prefix"}, func(a []string) bool { return strings.HasPrefix(a[0], a[1]) })
	endsWithFunc   = stringTest("Whether a text ends with another.", []string{"str", "suffix"}, func(a []string) bool { return strings.HasSuffix(a[0], a[1]) })

	strContainsFunc = stringTest("Whether a text has another in it.", []string{"str", "substr"}, func(a []string) bool { return strings.Contains(a[0], a[1]) })

	baseNameFunc = stringFunc("The last element of a path.", []string{"path"}, func(a []string) (string, error) { return path.Base(a[0]), nil })
	dirNameFunc  = stringFunc("A path without its last element.", []string{"path"}, func(a []string) (string, error) { return path.Dir(a[0]), nil })
)

// replaceFunc replaces a text, or what a regular expression between slashes
// matches.
var replaceFunc = function.New(&function.Spec{
	Description: "The text with each occurrence of a part replaced.",
	Params:      stringParams([]string{"str", "substr", "replace"}),
	Type:        function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if sub := args[1].AsString(); len(sub) > 1 && sub[0] == '/' && sub[len(sub)-1] == '/' {
			return stdlib.RegexReplace(args[0], cty.StringVal(sub[1:len(sub)-1]), args[2])
		}
		return stdlib.Replace(args[0], args[1], args[2])
	},
})

func utf8Result(b []byte) (string, error) {
	if !utf8.Valid(b) {
		return "", fmt.Errorf("the result is not UTF-8 text")
	}
	return string(b), nil
}

var (
	base64EncodeFunc = stringFunc("A text as base64.", []string{"str"}, func(a []string) (string, error) {
		return base64.StdEncoding.EncodeToString([]byte(a[0])), nil
	})
	base64DecodeFunc = stringFunc("The text that is encoded as base64.", []string{"str"}, func(a []string) (string, error) {
		b, err := base64.StdEncoding.DecodeString(a[0])
		if err != nil {
			return "", function.NewArgErrorf(0, "it is not base64")
		}
		return utf8Result(b)
	})
	base64GzipFunc = stringFunc("A text compressed and encoded as base64.", []string{"str"}, func(a []string) (string, error) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(a[0])); err != nil {
			return "", err
		}
		if err := w.Close(); err != nil {
			return "", err
		}
		return base64.StdEncoding.EncodeToString(b.Bytes()), nil
	})
	textEncodeBase64Func = stringFunc("A text in a character encoding, as base64.", []string{"str", "encoding"}, func(a []string) (string, error) {
		enc, err := ianaindex.IANA.Encoding(a[1])
		if err != nil || enc == nil {
			return "", function.NewArgErrorf(1, "%q is not the name of a supported encoding in the IANA registry", a[1])
		}
		b, err := enc.NewEncoder().Bytes([]byte(a[0]))
		if err != nil {
			return "", function.NewArgErrorf(0, "the text has characters that %s does not", a[1])
		}
		return base64.StdEncoding.EncodeToString(b), nil
	})
	textDecodeBase64Func = stringFunc("The text in a character encoding that is encoded as base64.", []string{"str", "encoding"}, func(a []string) (string, error) {
		enc, err := ianaindex.IANA.Encoding(a[1])
		if err != nil || enc == nil {
			return "", function.NewArgErrorf(1, "%q is not the name of a supported encoding in the IANA registry", a[1])
		}
		b, err := base64.StdEncoding.DecodeString(a[0])
		if err != nil {
			return "", function.NewArgErrorf(0, "it is not base64")
		}
		if b, err = enc.NewDecoder().Bytes(b); err != nil {
			return "", function.NewArgErrorf(0, "it is not text in %s", a[1])
		}
		return utf8Result(b)
	})
	urlEncodeFunc = stringFunc("A text escaped for a URL.", []string{"str"}, func(a []string) (string, error) { return url.QueryEscape(a[0]), nil })
	urlDecodeFunc = stringFunc("The text that is escaped for a URL.", []string{"str"}, func(a []string) (string, error) {
		s, err := url.QueryUnescape(a[0])
		if err != nil {
			return "", function.NewArgErrorf(0, "it is not escaped for a URL")
		}
		return utf8Result([]byte(s))
	})
	uuidV5Func = stringFunc("A UUID made of a namespace and a name.", []string{"namespace", "name"}, func(a []string) (string, error) {
		known := map[string]uuid.UUID{"dns": uuid.NameSpaceDNS, "url": uuid.NameSpaceURL, "oid": uuid.NameSpaceOID, "x500": uuid.NameSpaceX500}
		space, ok := known[a[0]]
		if !ok {
			var err error
			if space, err = uuid.Parse(a[0]); err != nil {
				return "", function.NewArgErrorf(0, "it is neither a UUID nor dns, url, oid or x500")
			}
		}
		return uuid.NewSHA1(space, []byte(a[1])).String(), nil
	})
)

// timeCmpFunc compares two timestamps: -1, 0 or 1.
var timeCmpFunc = function.New(&function.Spec{
	Description: "The order of two timestamps.",
	Params:      stringParams([]string{"timestamp_a", "timestamp_b"}),
	Type:        function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var at [2]time.Time
		for i, a := range args {
			t, err := time.Parse(time.RFC3339, a.AsString())
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(i, "%q is not a timestamp such as 2006-01-02T15:04:05Z", a.AsString())
			}
			at[i] = t
		}
		return cty.NumberIntVal(int64(at[0].Compare(at[1]))), nil
	},
})

// hashFunc returns a function that hashes a text.
func hashFunc(sum func([]byte) []byte, text func([]byte) string) function.Function {
	return stringFunc("The hash of a text.", []string{"str"}, func(a []string) (string, error) { return text(sum([]byte(a[0]))), nil })
}

func md5Sum(b []byte) []byte    { s := md5.Sum(b); return s[:] }
func sha1Sum(b []byte) []byte   { s := sha1.Sum(b); return s[:] }
func sha256Sum(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
func sha512Sum(b []byte) []byte { s := sha512.Sum512(b); return s[:] }

func hexText(b []byte) string    { return hex.EncodeToString(b) }
func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
