package hcl

import (
	"encoding/base64"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/lockform/lockform/zkfs"
)

// aclType is that of every acl.x: its reference, by which the ACL is found
// again, and what it grants, for expressions that look at it.
var aclType = cty.Object(map[string]cty.Type{
	"name": cty.String,
	"grants": cty.List(cty.Object(map[string]cty.Type{
		"scheme": cty.String, "id": cty.String, "permissions": cty.String,
	})),
})

// An aclValue is a declared or built-in ACL.
type aclValue struct {
	name    string // as it is referred to: `acl.team["a"]`
	entries zkfs.ACL
	at      hcl.Range // of its block
	obj     cty.Value
}

// newACL makes a value of an ACL that expressions can pass on.
func (l *loader) newACL(name string, entries zkfs.ACL, at hcl.Range) cty.Value {
	var grants []cty.Value
	for _, e := range entries {
		grants = append(grants, cty.ObjectVal(map[string]cty.Value{
			"scheme": cty.StringVal(e.Scheme), "id": cty.StringVal(e.ID), "permissions": cty.StringVal(e.Perms.String()),
		}))
	}
	list := cty.ListValEmpty(aclType.AttributeType("grants").ElementType())
	if len(grants) > 0 {
		list = cty.ListVal(grants)
	}
	a := &aclValue{name: name, entries: entries, at: at}
	a.obj = cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(name), "grants": list})
	l.acls[a.obj.GetAttr("name").AsString()] = a
	return a.obj
}

// builtinACLs are those that need no block.
func (l *loader) builtinACLs() {
	l.values[ref{"acl", "open"}] = l.newACL("acl.open", zkfs.Open(), hcl.Range{})
	l.values[ref{"acl", "read_only"}] = l.newACL("acl.read_only", zkfs.ReadOnly(), hcl.Range{})
}

// findACL returns the ACL that a known value of aclType stands for. One that
// was put together by hand is an error.
func (l *loader) findACL(v value, ctx *hcl.EvalContext) *aclValue {
	name := v.GetAttr("name")
	if !name.IsNull() {
		if a := l.acls[name.AsString()]; a != nil && (v.declared || a.obj.RawEquals(v.Value)) {
			return a
		}
	}
	l.errorf(v.at, "Not a declared ACL", "An acl must be acl.open, acl.read_only or one that an acl block declares; an object of the same shape is not taken. Declare it: acl \"name\" { grant … }.")
	return nil
}

// aclBlock evaluates an acl block: one ACL, or a map of them with for_each.
func (l *loader) aclBlock(b *block, ctx *hcl.EvalContext) cty.Value {
	return l.repeated(b, ctx, aclType, func(name string, ctx *hcl.EvalContext, real bool) cty.Value {
		entries, ok := l.grants(b, ctx)
		if !ok || !real {
			return cty.UnknownVal(aclType)
		}
		return l.newACL(name, entries, b.def)
	})
}

// repeated evaluates a block for each of its instances, and returns a map of
// them, or the one value of a block without for_each.
func (l *loader) repeated(b *block, ctx *hcl.EvalContext, ty cty.Type, one func(name string, ctx *hcl.EvalContext, real bool) cty.Value) cty.Value {
	all, repeated := l.instances(b.attr("for_each"), ctx)
	name := b.kind + "." + b.name
	if !repeated {
		return one(name, ctx, true)
	}
	child := func(e each, real bool) *hcl.EvalContext {
		c := ctx.NewChild()
		c.Variables = map[string]cty.Value{"each": e.object(real, cty.NilVal)}
		return c
	}
	if len(all) == 0 {
		l.apart(func() { one(name, child(phantom, false), false) })
		if all == nil {
			return cty.UnknownVal(cty.Map(ty))
		}
		return cty.MapValEmpty(ty)
	}
	m := make(map[string]cty.Value, len(all))
	for _, e := range all {
		m[e.key] = one(name+"["+strconv.Quote(e.key)+"]", child(e, true), true)
	}
	return cty.MapVal(m)
}

// grants evaluates the grant blocks of an acl. False means that they have a
// fault or are not known.
func (l *loader) grants(b *block, ctx *hcl.EvalContext) (zkfs.ACL, bool) {
	acl := zkfs.ACL{}
	grants, ok := l.writeOut(b.content.Blocks, "grant", true, ctx)
	for _, g := range grants {
		e, good := l.grant(g)
		ok = ok && good
		acl = append(acl, e)
	}
	return acl, ok
}

func (l *loader) grant(g written) (zkfs.Entry, bool) {
	c, ctx := l.content(g.body, grantBody), g.ctx
	attr := func(name string) *hcl.Attribute { return c.Attributes[name] }
	scheme := g.label
	id := l.attribute(attr("id"), ctx, cty.String)
	user := l.attribute(attr("username"), ctx, cty.String)
	password := l.secretAttribute(attr("password"), ctx, cty.String)
	perms, ok := l.permissions(attr("permissions"), ctx)
	if password.state == known {
		l.secrets[password.str()] = true
	}
	if !slices.Contains(zkfs.Schemes(), scheme) {
		l.errorf(g.labelAt, "Unknown ACL scheme", "%q is not a scheme of ZooKeeper that lockform knows.%s The schemes are %s.", scheme, suggest(scheme, zkfs.Schemes()), enumerate(zkfs.Schemes(), "and"))
		return zkfs.Entry{}, false
	}
	if scheme != "digest" {
		for _, name := range []string{"username", "password"} {
			if a := attr(name); a != nil {
				l.errorf(a.NameRange, "Argument of another scheme", "%s belongs to grant \"digest\"; this one is %q. Take it out, or change the scheme.", name, scheme)
				ok = false
			}
		}
	}
	var ident zkfs.Identity
	var good bool
	switch scheme {
	case "world":
		ident, good = l.fixedID(zkfs.Anyone, id)
	case "auth":
		ident, good = l.fixedID(zkfs.AuthIDs, id)
	case "digest":
		ident, good = l.digestID(g, c, id, user, password)
	default:
		ident, good = l.schemeID(g, scheme, id)
	}
	return zkfs.Entry{Perms: perms, Identity: ident}, ok && good
}

// fixedID checks the id of a scheme that has only one.
func (l *loader) fixedID(only zkfs.Identity, id value) (zkfs.Identity, bool) {
	if id.state == known && id.str() != only.ID {
		if only.ID == "" {
			l.errorf(id.at, "Invalid id in grant", "The scheme %q stands for the identities of the planner's run and has no id. Take it out.", only.Scheme)
		} else {
			l.errorf(id.at, "Invalid id in grant", "The scheme %q has only the id %q. Take it out, or use it.", only.Scheme, only.ID)
		}
		return zkfs.Identity{}, false
	}
	return only, id.state != skipped
}

// digestID is the id of a user and password, or one that was hashed before.
func (l *loader) digestID(g written, c *hcl.BodyContent, id, user, password value) (zkfs.Identity, bool) {
	hasID, hasUser, hasPassword := c.Attributes["id"] != nil, c.Attributes["username"] != nil, c.Attributes["password"] != nil
	switch {
	case id.state == skipped || user.state == skipped || password.state == skipped:
		return zkfs.Identity{}, false
	case hasID && (hasUser || hasPassword):
		l.errorf(c.Attributes["id"].NameRange, "Conflicting arguments", `A grant "digest" takes username and password, or an id that has both hashed. Write one of them.`)
		return zkfs.Identity{}, false
	case id.state == known:
		if !validDigest(id.str()) {
			l.errorf(id.at, "Invalid id in grant", `The id of a grant "digest" is "user:base64(sha1(user:password))". Write username and password instead, or use zkdigest(user, password).`)
			return zkfs.Identity{}, false
		}
		return zkfs.Identity{Scheme: "digest", ID: id.str()}, true
	case user.state == absent || password.state == absent:
		l.errorf(g.def, "Missing required argument", `A grant "digest" needs username and password, or an id.`)
		return zkfs.Identity{}, false
	case user.str() == "" || strings.Contains(user.str(), ":"):
		l.errorf(user.at, "Invalid username", "The username of the scheme digest must not be empty and must not contain a colon, which separates it from the password.")
		return zkfs.Identity{}, false
	case password.str() == "":
		l.errorf(password.at, "Empty password", "The password is empty, so that everybody could use this identity. Set one.")
		return zkfs.Identity{}, false
	}
	return zkfs.Digest(user.str(), password.str()), true
}

// validDigest reports whether id is "user:" and the base64 of a SHA-1 sum.
func validDigest(id string) bool {
	user, hash, ok := strings.Cut(id, ":")
	sum, err := base64.StdEncoding.DecodeString(hash)
	return ok && user != "" && err == nil && len(sum) == 20
}

// schemeID checks the id of x509, ip and sasl.
func (l *loader) schemeID(g written, scheme string, id value) (zkfs.Identity, bool) {
	example := map[string]string{"x509": `"CN=app,O=example"`, "ip": `"10.0.0.0/8"`, "sasl": `"app"`}[scheme]
	switch {
	case id.state == skipped:
		return zkfs.Identity{}, false
	case id.state == absent || id.str() == "":
		l.errorf(g.def, "Missing required argument", "A grant %q needs an id, such as %s.", scheme, example)
		return zkfs.Identity{}, false
	case scheme == "ip" && !validIP(id.str()):
		l.errorf(id.at, "Invalid id in grant", "%q is not an address or network. Write it like 10.0.0.7 or 10.0.0.0/8.", id.str())
		return zkfs.Identity{}, false
	case scheme == "x509" && !strings.Contains(id.str(), "="):
		l.errorf(id.at, "Invalid id in grant", "%q is not the subject of a certificate. Write it as ZooKeeper does, like %s.", id.str(), example)
		return zkfs.Identity{}, false
	}
	return zkfs.Identity{Scheme: scheme, ID: id.str()}, true
}

func validIP(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(s)
	return err == nil
}

// permissions reads the list of words.
func (l *loader) permissions(a *hcl.Attribute, ctx *hcl.EvalContext) (zkfs.Perms, bool) {
	v := l.attribute(a, ctx, cty.List(cty.String))
	if v.state != known {
		if v.state == absent && a != nil {
			l.errorf(a.Expr.Range(), "No permissions", "A grant gives at least one permission. Write some of %s.", enumerate(zkfs.PermNames(), "and"))
		}
		return 0, false
	}
	var perms zkfs.Perms
	ok := true
	for _, word := range v.strs() {
		p, err := zkfs.ParsePermName(word)
		if err != nil {
			l.errorf(v.at, "Unknown permission", "%q is not a permission.%s The permissions are %s.", word, suggest(word, zkfs.PermNames()), enumerate(zkfs.PermNames(), "and"))
			ok = false
		}
		perms |= p
	}
	if len(v.strs()) == 0 {
		l.errorf(v.at, "No permissions", "A grant gives at least one permission. Write some of %s, or take the grant out.", enumerate(zkfs.PermNames(), "and"))
		ok = false
	}
	return perms, ok
}
