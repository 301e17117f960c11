package hcl

import (
	"github.com/hashicorp/go-version"
	"github.com/zclconf/go-cty/cty"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// settleLayout evaluates the layout block into out, and returns where all
// ledgers lie and where its own does; "" when that is not known.
func (l *loader) settleLayout(out *layout.Layout) (root, ledger zkfs.Path) {
	b := l.module.layout
	if b == nil {
		l.errorAt(nil, noLayout, "No file of the directory %s has a layout block. Write one: layout \"name\" { }; the name is the unit of ownership, and is recorded in ZooKeeper.", l.shownDir())
		return layout.DefaultLedger, ""
	}
	out.Name, out.Pos = b.name, pos(b.def)
	l.requiredVersion(b)
	root = layout.DefaultLedger
	for _, a := range []struct {
		name string
		to   *zkfs.Path
	}{{"ledger", &root}, {"moved_from", &out.MovedFrom}} {
		v := l.attribute(b.attr(a.name), l.root, cty.String)
		if v.state == skipped {
			return "", ""
		}
		if v.state == absent {
			continue
		}
		p, err := zkfs.ParsePath(v.str())
		switch {
		case err != nil:
			l.errorf(v.at, "Invalid znode path", "%v. Write an absolute path, such as \"/lockform\".", err)
			return "", ""
		case zkfs.Path("/zookeeper").Contains(p):
			l.errorf(v.at, "Reserved path", "The ledger %s lies in /zookeeper, where ZooKeeper keeps its own state. Choose another path, such as \"/lockform\".", p)
			return "", ""
		}
		*a.to = p
	}
	out.Ledger = root.Join(b.name)
	if v := l.attribute(b.attr("acl"), l.root, aclType); v.state == known {
		if acl := l.findACL(v, l.root); acl != nil {
			out.ACL = acl.entries
			for _, name := range sortedKeys(l.ensembles) {
				l.checkACL(aclUse{acl, l.ensembles[name], "layout", v.at}, false)
			}
		}
	}
	return root, out.Ledger
}

// requiredVersion checks that this release may apply the layout.
func (l *loader) requiredVersion(b *block) {
	v := l.attribute(b.attr("required_version"), l.root, cty.String)
	if v.state != known {
		return
	}
	constraints, err := version.NewConstraint(v.str())
	if err != nil {
		l.errorf(v.at, "Invalid version constraint", "%q is not a version constraint. Write it like \">= 0.1\" or \"~> 1.2, != 1.2.3\".", v.str())
		return
	}
	this, err := version.NewVersion(l.o.Version)
	if err != nil {
		return
	}
	// A pre-release of a version is taken for it.
	if !constraints.Check(this.Core()) {
		l.errorf(v.at, "Unsupported lockform version", "The layout needs lockform %s, and this is %s. Install a release that fits, or change required_version.", v.str(), l.o.Version)
	}
}
