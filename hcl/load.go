package hcl

import "github.com/lockform/lockform/zkfs/layout"

// Load reads the layout that the files of dir declare. Every fault is in the
// diagnostics; with errors the layout is nil. Warnings do not keep it from
// being returned. Load contacts no server; it reads the files of dir, the
// variable files, and those that TLS and the function file name.
func Load(dir string, o Options) (*layout.Layout, Diagnostics) { return nil, nil }

// LoadEnsembles reads only the ensemble blocks of dir, with the variables and
// locals that they refer to, for applying a saved plan: everything else in the
// directory may be absent or wrong, as long as the files can be parsed. With
// errors the result is nil.
func LoadEnsembles(dir string, o Options) ([]layout.Ensemble, Diagnostics) { return nil, nil }
