// Package hcl reads a directory of HCL files into a layout.Layout.
//
// Load is the whole of it: it finds the files of a directory, native and JSON
// syntax, gathers the values of variables, evaluates what refers to what in the
// order of the references, makes an instance of every block with for_each, and
// checks everything that can be told without a ZooKeeper. It returns all faults
// at once, each a Diagnostic with its place in the files and what to do.
//
// The order of files and blocks never matters. A value that is sensitive is
// accepted only where ZooKeeper needs it (auth, tls and the password of a
// grant), and no diagnostic shows it.
//
// The package contacts no server. Its functions read files and may be called
// from several goroutines.
package hcl
