package plan

// Encode returns the plan as the content of a plan file.
func (p *Plan) Encode() ([]byte, error) { return nil, ErrPlanFile }

// Decode reads a plan file. It is refused when it was altered.
func Decode(data []byte) (*Plan, error) { return nil, ErrPlanFile }

// Digest returns the SHA-256 of the plan, "sha256:…", by which ledger and
// history name it.
func (p *Plan) Digest() string { return p.digest }
