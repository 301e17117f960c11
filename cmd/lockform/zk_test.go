package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// superUser connects as the user whom no ACL stops, for what colleagues and
// other programs do to the tree.
func superUser(t testing.TB, e *zktest.Env) *zk.Conn {
	t.Helper()
	c, events, err := zk.Connect([]string{e.Addr}, 20*time.Second, zk.WithLogger(quiet{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for limit := time.After(20 * time.Second); ; {
		select {
		case ev := <-events:
			if ev.State == zk.StateHasSession {
				if err := c.AddAuth("digest", []byte(zktest.SuperAuth)); err != nil {
					t.Fatal(err)
				}
				return c
			}
		case <-limit:
			t.Fatal("no session within 20s")
		}
	}
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}

type connKey struct{}

// zkVerb does to the tree what others do, and shows it:
//
//	zk create|set PATH DATA      zk delete PATH       zk acl PATH SCHEME:ID:PERMS…
//	zk hold PATH NAME [DATA]     a contender, until the script ends
//	zk tree                      every znode with its data, shortened to what is stable
//	zk mzxid PATH                the transaction that last changed a znode or its children
//	zk remake PATH               deletes a znode and creates it with the same data and ACL
//	zk zxids                     every znode outside of the ledgers with the transactions that last changed it
func zkVerb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: zk create|set|delete|remake|acl|hold|tree|mzxid|zxids …")
	}
	e := ts.Value(envKey{}).(*zktest.Env)
	t := ts.Value(testKey{}).(testing.TB)
	conns := ts.Value(connKey{}).(*[]*zk.Conn)
	if len(*conns) == 0 {
		*conns = append(*conns, superUser(t, e))
	}
	c := (*conns)[0]
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	path := string(zkfs.Path(arg(1)).Under(e.Chroot))
	switch args[0] {
	case "create":
		_, err := c.Create(path, []byte(arg(2)), 0, zk.WorldACL(zk.PermAll))
		ts.Check(err)
	case "set":
		_, err := c.Set(path, []byte(arg(2)), -1)
		ts.Check(err)
	case "delete":
		ts.Check(c.Delete(path, -1))
	case "acl":
		var acl []zk.ACL
		for _, a := range args[2:] {
			scheme, rest, _ := strings.Cut(a, ":")
			i := strings.LastIndexByte(rest, ':')
			perms, err := zkfs.ParsePerms(rest[i+1:])
			ts.Check(err)
			acl = append(acl, zk.ACL{Perms: int32(perms), Scheme: scheme, ID: rest[:i]})
		}
		_, err := c.SetACL(path, acl, -1)
		ts.Check(err)
	case "hold":
		_, err := c.Create(path+"/"+arg(2), []byte(arg(3)), zk.FlagEphemeral|zk.FlagSequence, zk.WorldACL(zk.PermAll))
		ts.Check(err)
	case "mzxid":
		_, st, err := c.Get(path)
		ts.Check(err)
		fmt.Fprintln(ts.Stdout(), max(st.Mzxid, st.Pzxid))
	case "remake":
		data, _, err := c.Get(path)
		ts.Check(err)
		acl, _, err := c.GetACL(path)
		ts.Check(err)
		ts.Check(c.Delete(path, -1))
		_, err = c.Create(path, data, 0, acl)
		ts.Check(err)
		_, err = c.Set(path, data, -1)
		ts.Check(err)
	case "zxids":
		var all []string
		for p := range e.Tree(t) {
			if zkfs.Path("/lockform").Contains(p) {
				continue
			}
			_, st, err := c.Exists(string(p.Under(e.Chroot)))
			ts.Check(err)
			all = append(all, fmt.Sprintf("%s czxid %d mzxid %d pzxid %d aversion %d", p, st.Czxid, st.Mzxid, st.Pzxid, st.Aversion))
		}
		slices.Sort(all)
		fmt.Fprintln(ts.Stdout(), strings.Join(all, "\n"))
	case "tree":
		all := treeLines(e.Tree(t))
		if len(all) == 0 {
			all = []string{"(empty)"} // a verb that prints nothing leaves the output of the one before
		}
		for _, l := range all {
			fmt.Fprintln(ts.Stdout(), l)
		}
	default:
		ts.Fatalf("zk: unknown verb %q", args[0])
	}
}

// treeLines shows a tree: of a record its kind, address and written policy; of
// the ledger and its history only that they are there.
func treeLines(tree map[zkfs.Path]string) []string {
	var all []string
	for p, data := range tree {
		var r struct {
			Kind      string
			Address   string
			Protected bool
			Policy    map[string]any
		}
		line := string(p)
		switch err := json.Unmarshal([]byte(data), &r); {
		case strings.Contains(line, "/history/"):
			line = p.Parent().String() + "/…"
		case data == "":
		case err != nil || r.Kind == "":
			line += "  " + strconv.Quote(data)
		default:
			line += "  " + r.Kind
			if r.Address != "" {
				line += " " + r.Address
			}
			if r.Protected {
				line += " protected"
			}
			if r.Policy != nil {
				line += fmt.Sprintf(" %v", r.Policy["mode"])
			}
		}
		all = append(all, line)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// server starts something at an address of its own and sets $NAME to it:
//
//	server none NAME    an address at which nobody listens
//	server http NAME    a web server
//	server mute NAME    accepts connections and says nothing
//	server tls NAME     a ZooKeeper that speaks TLS with clients that have a certificate;
//	                    $NAME_CA, $NAME_CERT and $NAME_KEY are files for a client, $NAME_ID its identity
func server(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: server none|http|mute|tls NAME")
	}
	t, name := ts.Value(testKey{}).(testing.TB), args[1]
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		t.Cleanup(func() { l.Close() })
		return l
	}
	switch args[0] {
	case "none":
		l := listen()
		l.Close()
		ts.Setenv(name, l.Addr().String())
	case "http":
		s := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(s.Close)
		ts.Setenv(name, s.Listener.Addr().String())
	case "mute":
		l := listen()
		done := make(chan struct{})
		go func() {
			defer close(done)
			var conns []net.Conn
			for {
				c, err := l.Accept()
				if err != nil {
					break
				}
				conns = append(conns, c)
			}
			for _, c := range conns {
				c.Close()
			}
		}()
		t.Cleanup(func() { l.Close(); <-done })
		ts.Setenv(name, l.Addr().String())
	case "tls":
		certs := zktest.NewCerts(t)
		f := devFlags{cert: certs.ServerCert, key: certs.ServerKey, ca: certs.CA}
		cfg, err := f.tls()
		ts.Check(err)
		s, err := zkdev.Start(zkdev.Config{TLS: cfg})
		ts.Check(err)
		t.Cleanup(func() { s.Close() })
		ts.Setenv(name, s.Addr())
		ts.Setenv(name+"_CA", certs.CA)
		ts.Setenv(name+"_CERT", certs.ClientCert)
		ts.Setenv(name+"_KEY", certs.ClientKey)
		ts.Setenv(name+"_ID", certs.ClientID)
	default:
		ts.Fatalf("server: unknown kind %q", args[0])
	}
}
