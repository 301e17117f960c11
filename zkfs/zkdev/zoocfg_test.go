package zkdev_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

func TestReadConfig(t *testing.T) {
	got, warnings, err := zkdev.ReadConfig(strings.NewReader(`
# a comment
! another
tickTime = 500
dataDir:/var/lib/zookeeper
clientPort 2281
clientPortAddress=localhost
minSessionTimeout=700
maxSessionTimeout=-1
initLimit=10
znode.container.checkIntervalMs=\
   1000
zookeeper.DigestAuthenticationProvider.superDigest=super:abc=
server.1=zk1:2888:3888
`), "zoo.cfg")
	if err != nil {
		t.Fatal(err)
	}
	want := zkdev.Config{
		Listen: "localhost:2281", TickTime: 500 * time.Millisecond, MinSessionTimeout: 700 * time.Millisecond,
		ReapInterval: time.Second, SuperDigest: "super:abc=", Data: filepath.FromSlash("/var/lib/zookeeper/lockform-dev.snapshot"),
	}
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if want := []string{"zoo.cfg:10: initLimit has no effect on this server", "zoo.cfg:14: server.1 has no effect on this server"}; !slices.Equal(warnings, want) {
		t.Errorf("warnings %q, want %q", warnings, want)
	}
}

func TestReadConfigErrors(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"NoNumber":       {"tickTime=soon", `zoo.cfg:1: tickTime is "soon"; it must be a number of milliseconds`},
		"PortOutOfRange": {"\nclientPort=70000", `zoo.cfg:2: clientPort is "70000"; it must be a port`},
		"NoValue":        {"tickTime", `zoo.cfg:1: "tickTime" is not a key and a value`},
		"MinAboveMax":    {"minSessionTimeout=2\nmaxSessionTimeout=1", "zoo.cfg:1: minSessionTimeout is larger than maxSessionTimeout"},
		"ClientAuth":     {"secureClientPort=1\nssl.clientAuth=maybe", `zoo.cfg:2: ssl.clientAuth is "maybe"; it must be need, want or none`},
		"NoKeyStore":     {"secureClientPort=1\nssl.keyStore.location=/none.pem", `zoo.cfg:2: ssl.keyStore.location is "/none.pem"; it must be a PEM file`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := zkdev.ReadConfig(strings.NewReader(tt.in), "zoo.cfg")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func FuzzReadConfig(f *testing.F) {
	f.Add("tickTime=1\\\n2\nclientPort: 1\n=x")
	f.Fuzz(func(t *testing.T, in string) {
		cfg, warnings, err := zkdev.ReadConfig(strings.NewReader(in), "zoo.cfg")
		if err != nil && (cfg != zkdev.Config{} || warnings != nil) {
			t.Errorf("an error and a result: %+v %q %v", cfg, warnings, err)
		}
	})
}

// A zoo.cfg with both ports gives both, as the real server does.
func TestConfigWithASecurePort(t *testing.T) {
	certs := zktest.NewCerts(t)
	cfg, _, err := zkdev.ReadConfig(strings.NewReader("clientPort=0\nclientPortAddress=127.0.0.1\nsecureClientPort=0\nsecureClientPortAddress=127.0.0.1\n"+
		"ssl.keyStore.location="+certs.ServerPEM+"\nssl.trustStore.location="+certs.CA+"\nssl.clientAuth=need\n"), "zoo.cfg")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, cfg)
	newWire(t, s.Addr()).call(t, zkdev.OpPing, nil)
	w := secureWire(t, s.SecureAddr(), certs)
	w.call(t, zkdev.OpPing, nil)
}
