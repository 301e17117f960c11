package zkfs

import "strings"

// version is set by the build: -ldflags "-X …/zkfs.version=v0.1.0". It stands
// here because both programs have it.
var version = "0.1.0"

// Version returns the version of the program, without a leading "v". A build
// between releases has git's description, such as "0.1.0-4-gabcdef0".
func Version() string { return strings.TrimPrefix(version, "v") }
