package hcl

import (
	"fmt"
	"math/big"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/gocty"
)

// prefixOf reads an address prefix, with the bits after it zero.
func prefixOf(v cty.Value) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(v.AsString())
	if err != nil {
		return netip.Prefix{}, function.NewArgErrorf(0, "%q is not an address prefix such as 10.0.0.0/8", v.AsString())
	}
	return p.Masked(), nil
}

// plus adds n to an address.
func plus(a netip.Addr, n *big.Int) (netip.Addr, bool) {
	sum := new(big.Int).Add(new(big.Int).SetBytes(a.AsSlice()), n)
	if sum.Sign() < 0 || sum.BitLen() > a.BitLen() {
		return netip.Addr{}, false
	}
	return addrOf(sum, a.BitLen()/8), true
}

func addrOf(n *big.Int, size int) netip.Addr {
	a, _ := netip.AddrFromSlice(n.FillBytes(make([]byte, size)))
	return a
}

var numberParam = function.Parameter{Name: "number", Type: cty.Number}

func bigOf(v cty.Value, arg int) (*big.Int, error) {
	n, accuracy := v.AsBigFloat().Int(nil)
	if n == nil || accuracy != big.Exact {
		return nil, function.NewArgErrorf(arg, "it must be a whole number")
	}
	return n, nil
}

// cidrHostFunc returns the address of a host in a network; negative numbers
// count from its end.
var cidrHostFunc = function.New(&function.Spec{
	Description: "The address of a host in a network.",
	Params:      []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "hostnum", Type: cty.Number}},
	Type:        function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := prefixOf(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		n, err := bigOf(args[1], 1)
		if err != nil {
			return cty.NilVal, err
		}
		size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
		if n.Sign() < 0 {
			n = new(big.Int).Add(size, n)
		}
		a, ok := plus(p.Addr(), n)
		if !ok || n.Sign() < 0 || n.Cmp(size) >= 0 {
			return cty.NilVal, function.NewArgErrorf(1, "the network %s has no host of that number", p)
		}
		return cty.StringVal(a.String()), nil
	},
})

// cidrNetmaskFunc returns the mask of an IPv4 prefix.
var cidrNetmaskFunc = function.New(&function.Spec{
	Description: "The mask of a network.",
	Params:      []function.Parameter{{Name: "prefix", Type: cty.String}},
	Type:        function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := prefixOf(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		if !p.Addr().Is4() {
			return cty.NilVal, function.NewArgErrorf(0, "only IPv4 networks have a mask")
		}
		ones := new(big.Int).Lsh(big.NewInt(1), 32)
		mask := new(big.Int).Sub(ones, new(big.Int).Lsh(big.NewInt(1), uint(32-p.Bits())))
		return cty.StringVal(addrOf(mask, 4).String()), nil
	},
})

// subnet returns the network with newBits more bits, of the given number.
func subnet(p netip.Prefix, newBits int, number *big.Int) (netip.Prefix, error) {
	bits := p.Bits() + newBits
	if newBits < 0 || bits > p.Addr().BitLen() {
		return netip.Prefix{}, fmt.Errorf("a prefix of %d bits cannot be extended by %d", p.Bits(), newBits)
	}
	if number.Sign() < 0 || number.BitLen() > newBits {
		return netip.Prefix{}, fmt.Errorf("%d new bits cannot hold the number %s", newBits, number)
	}
	a, ok := plus(p.Addr(), new(big.Int).Lsh(number, uint(p.Addr().BitLen()-bits)))
	if !ok {
		return netip.Prefix{}, fmt.Errorf("the network %s has no such part", p)
	}
	return netip.PrefixFrom(a, bits), nil
}

// cidrSubnetFunc returns a part of a network.
var cidrSubnetFunc = function.New(&function.Spec{
	Description: "A part of a network.",
	Params:      []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "newbits", Type: cty.Number}, {Name: "netnum", Type: cty.Number}},
	Type:        function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := prefixOf(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		var newBits int
		if err := gocty.FromCtyValue(args[1], &newBits); err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		n, err := bigOf(args[2], 2)
		if err != nil {
			return cty.NilVal, err
		}
		sub, err := subnet(p, newBits, n)
		if err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(sub.String()), nil
	},
})

// cidrSubnetsFunc returns parts of a network that follow each other.
var cidrSubnetsFunc = function.New(&function.Spec{
	Description: "Parts of a network, one after the other.",
	Params:      []function.Parameter{{Name: "prefix", Type: cty.String}},
	VarParam:    &numberParam,
	Type:        function.StaticReturnType(cty.List(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := prefixOf(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		width := p.Addr().BitLen()
		next := new(big.Int).SetBytes(p.Addr().AsSlice())
		var out []cty.Value
		for i, a := range args[1:] {
			var newBits int
			if err := gocty.FromCtyValue(a, &newBits); err != nil {
				return cty.NilVal, function.NewArgError(i+1, err)
			}
			bits := p.Bits() + newBits
			if newBits < 1 || bits > width {
				return cty.NilVal, function.NewArgErrorf(i+1, "a prefix of %d bits cannot be extended by %d", p.Bits(), newBits)
			}
			// Up to the next border of a network of this size.
			step := new(big.Int).Lsh(big.NewInt(1), uint(width-bits))
			next.Add(next, new(big.Int).Sub(step, big.NewInt(1)))
			next.Sub(next, new(big.Int).Mod(next, step))
			if next.BitLen() > width || !p.Contains(addrOf(next, width/8)) {
				return cty.NilVal, function.NewArgErrorf(i+1, "the network %s has not enough room", p)
			}
			out = append(out, cty.StringVal(netip.PrefixFrom(addrOf(next, width/8), bits).String()))
			next.Add(next, step)
		}
		if len(out) == 0 {
			return cty.ListValEmpty(cty.String), nil
		}
		return cty.ListVal(out), nil
	},
})
