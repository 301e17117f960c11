package zkdev_test

import (
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

func ask(t *testing.T, addr, word string) string {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(nc, word); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The answers have the lines that a real server's have; numbers, addresses,
// times and versions differ.
func TestFourLetterWords(t *testing.T) {
	lines := map[string][]string{
		"ruok": {"imok"},
		"isro": {"rw"},
		"srvr": {`Zookeeper version: 3\.8\.0.*, built on .* UTC`, `Latency min/avg/max: \d+/[\d.]+/\d+`, `Received: \d+`, `Sent: \d+`, `Connections: \d+`,
			`Outstanding: 0`, `Zxid: 0x[0-9a-f]+`, `Mode: standalone`, `Node count: \d+`},
		"stat": {`Zookeeper version: 3\.8\.0.*, built on .* UTC`, `Clients:`, ` /127\.0\.0\.1:\d+\[1\]\(queued=\d+,recved=\d+,sent=\d+\)`,
			`Latency min/avg/max: \d+/[\d.]+/\d+`, `Mode: standalone`},
		"cons": {` /127\.0\.0\.1:\d+\[1\]\(queued=\d+,recved=\d+,sent=\d+,sid=0x[0-9a-f]+,lop=CREA,est=\d+,to=30000,lcxid=0x1,lzxid=0x[0-9a-f]+,lresp=\d+,llat=\d+,minlat=\d+,avglat=\d+,maxlat=\d+\)`,
			` /127\.0\.0\.1:\d+\[0\]\(queued=\d+,recved=1,sent=0\)`},
		"dump": {`SessionTracker dump:`, `Session Sets \(\d+\)/\(\d+\):`, `\d+ expire at \w\w\w \w\w\w \d\d \d\d:\d\d:\d\d \w+ \d\d\d\d:`, `\t0x[0-9a-f]+`,
			`ephemeral nodes dump:`, `Sessions with Ephemerals \(1\):`, `0x[0-9a-f]+:`, `\t/t\d+-\d+/e`, `Connections dump:`},
		"conf": {`clientPort=\d+`, `secureClientPort=-1`, `dataDir=.*`, `tickTime=200`, `maxClientCnxns=\d+`, `minSessionTimeout=400`, `maxSessionTimeout=60000`, `serverId=0`},
		"envi": {`Environment:`, `zookeeper\.version=3\.8\.0.*, built on .* UTC`, `host\.name=.*`, `os\.name=.*`, `os\.arch=.*`},
		"wchs": {`\d+ connections watching \d+ paths`, `Total watches:\d+`},
		"wchp": {`/t\d+-\d+/e`, `\t0x[0-9a-f]+`},
		"wchc": {`0x[0-9a-f]+`, `\t/t\d+-\d+/e`},
		"mntr": {`zk_version\t3\.8\.0.*`, `zk_server_state\tstandalone`, `zk_ephemerals_count\t1`, `zk_num_alive_connections\t\d+`, `zk_avg_latency\t[\d.]+`,
			`zk_min_latency\t\d+`, `zk_max_latency\t\d+`, `zk_outstanding_requests\t\d+`, `zk_znode_count\t\d+`, `zk_watch_count\t\d+`, `zk_global_sessions\t\d+`,
			`zk_packets_received\t\d+`, `zk_packets_sent\t\d+`, `zk_approximate_data_size\t\d+`, `zk_uptime\t\d+`},
	}
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		w, watcher := newWire(t, e.Addr), newWire(t, e.Addr)
		w.call(t, zkdev.OpCreate, createBody(e.Chroot.Join("e").String(), nil, zkfs.Open(), 1))
		watcher.call(t, zkdev.OpExists, watchBody(e.Chroot.Join("e").String(), true))
		for word, want := range lines {
			got := strings.Split(ask(t, e.Addr, word), "\n")
			for _, re := range want {
				if !slices.ContainsFunc(got, regexp.MustCompile("^"+re+"$").MatchString) {
					t.Errorf("%s has no line %s in\n%s", word, re, strings.Join(got, "\n"))
				}
			}
		}
		// What people type has a newline at its end.
		if got := ask(t, e.Addr, "ruok\n"); got != "imok" {
			t.Errorf("ruok with a newline: %q", got)
		}
	})
}

func TestFourLetterWordsAsGoZookeeperReadsThem(t *testing.T) {
	s := serve(t, zkdev.Config{})
	newWire(t, s.Addr()).call(t, zkdev.OpExists, watchBody("/", false))
	addr := []string{s.Addr()}
	if ok := zk.FLWRuok(addr, wait); !ok[0] {
		t.Error("ruok")
	}
	if st, ok := zk.FLWSrvr(addr, wait); !ok || st[0].Mode != zk.ModeStandalone || st[0].NodeCount != 5 {
		t.Errorf("srvr: %+v", st[0])
	}
	st, _ := zk.FLWCons(addr, wait)
	if len(st[0].Clients) == 0 || st[0].Clients[0].LastOperation != "EXIS" {
		t.Errorf("cons: %+v", st[0])
	}
}
