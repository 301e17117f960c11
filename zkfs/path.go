package zkfs

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Root is the path of the tree's root.
const Root Path = "/"

// A Path is an absolute, canonical path of a znode, such as "/locks/billing".
// It never ends in a slash, except for Root. The zero Path is no path at all.
type Path string

// PathError says why a string is not a usable znode path.
type PathError struct {
	Path   string // as it was given
	Reason string // completes "the path … is not valid: "
}

func (e *PathError) Error() string {
	return fmt.Sprintf("%q is not a valid znode path: %s", e.Path, e.Reason)
}

// ParsePath checks s by the rules of the server (PathUtils.validatePath) and
// returns it as a Path. The error is a *PathError.
func ParsePath(s string) (Path, error) {
	if s == "" {
		return "", &PathError{s, "it is empty"}
	}
	if s[0] != '/' {
		return "", &PathError{s, `it must begin with "/"`}
	}
	if s == "/" {
		return Root, nil
	}
	if s[len(s)-1] == '/' {
		return "", &PathError{s, `it must not end with "/"`}
	}
	for _, name := range strings.Split(s[1:], "/") {
		if reason := badName(name); reason != "" {
			return "", &PathError{s, reason}
		}
	}
	return Path(s), nil
}

// ParseName checks that s can be one element of a path: not empty, no slash,
// not "." or "..", no character that the server refuses. The error is a
// *PathError.
func ParseName(s string) (string, error) {
	if strings.Contains(s, "/") {
		return "", &PathError{s, `a name must not contain "/"`}
	}
	if reason := badName(s); reason != "" {
		return "", &PathError{s, reason}
	}
	return s, nil
}

func badName(name string) string {
	switch name {
	case "":
		return "it has an empty element"
	case ".", "..":
		return fmt.Sprintf("it has the relative element %q", name)
	}
	if !utf8.ValidString(name) {
		return "it is not UTF-8"
	}
	for _, r := range name {
		// The ranges that PathUtils refuses. Above the basic plane Java sees
		// surrogates (U+D800–DBFF), which lie in a refused range too.
		if r <= 0x1f || r >= 0x7f && r <= 0x9f || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0 {
			return fmt.Sprintf("it has the character %q (%U), which ZooKeeper refuses", r, r)
		}
	}
	return ""
}

// String returns the path as text.
func (p Path) String() string { return string(p) }

// Join returns the path of the child name. The name is not checked; it may
// hold several elements ("a/b").
func (p Path) Join(name string) Path {
	if p == Root {
		return Path("/" + name)
	}
	return p + "/" + Path(name)
}

// Parent returns the path above p; the parent of Root is Root.
func (p Path) Parent() Path {
	i := strings.LastIndexByte(string(p), '/')
	if i <= 0 {
		return Root
	}
	return p[:i]
}

// Base returns the last element of p; that of Root is "".
func (p Path) Base() string {
	return string(p[strings.LastIndexByte(string(p), '/')+1:])
}

// Contains reports whether q is p or lies below it.
func (p Path) Contains(q Path) bool {
	return p == Root || p == q || strings.HasPrefix(string(q), string(p)+"/")
}

// Ancestors returns the paths above p, nearest to the root first, without
// Root and without p itself.
func (p Path) Ancestors() []Path {
	var all []Path
	for i := 1; i < len(p); i++ {
		if p[i] == '/' {
			all = append(all, p[:i])
		}
	}
	return all
}

// Under returns the path that p has for a session whose chroot is root: the
// server's name of it. Trim is its inverse.
func (p Path) Under(root Path) Path {
	switch {
	case root == "" || root == Root:
		return p
	case p == Root:
		return root
	}
	return root + p
}

// Trim returns the path that a session with the chroot root gives to the
// server's path p, and false when p lies outside of root.
func (p Path) Trim(root Path) (Path, bool) {
	switch {
	case root == "" || root == Root:
		return p, true
	case p == root:
		return Root, true
	case root.Contains(p):
		return p[len(root):], true
	}
	return "", false
}
