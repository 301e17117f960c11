package zoocfg

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		text string
		want Config
		err  string
	}{
		"Empty": {"", Config{}, ""},
		"WhatAServerOfDebianHas": {
			"# http://hadoop.apache.org\ntickTime=2000\ninitLimit=10\ndataDir=/var/lib/zookeeper\nclientPort=2181\n#server.1=zk:2888:3888\n",
			Config{Listen: ":2181", TickTime: 2 * time.Second, Unused: []string{"dataDir", "initLimit"}}, "",
		},
		"AddressAndTimeouts": {
			"clientPortAddress=127.0.0.1\nclientPort = 2281\nminSessionTimeout=400\nmaxSessionTimeout: 60000\n",
			Config{Listen: "127.0.0.1:2281", MinSessionTimeout: 400 * time.Millisecond, MaxSessionTimeout: time.Minute}, "",
		},
		"IPv6Address":        {"clientPortAddress=::1\nclientPort=1\n", Config{Listen: "[::1]:1"}, ""},
		"AddressWithoutPort": {"clientPortAddress=::1\n", Config{}, ""},
		"MinusOneIsDefault":  {"minSessionTimeout=-1\n", Config{}, ""},
		"SystemProperties": {
			"DigestAuthenticationProvider.superDigest=super:abc=\nzookeeper.znode.container.checkIntervalMs=100\n",
			Config{SuperDigest: "super:abc=", ReapInterval: 100 * time.Millisecond}, "",
		},
		"WindowsLineEnds":   {"tickTime=500\r\n", Config{TickTime: 500 * time.Millisecond}, ""},
		"LastOneCounts":     {"tickTime=1\ntickTime=2\n", Config{TickTime: 2 * time.Millisecond}, ""},
		"UnusedNamedOnce":   {"a=1\na=2\n", Config{Unused: []string{"a"}}, ""},
		"NoNumber":          {"\ntickTime=2s\n", Config{}, `line 2: tickTime is "2s": it must be a number`},
		"PortOutOfRange":    {"clientPort=70000\n", Config{}, `line 1: clientPort is "70000": it must be a number`},
		"NegativeTime":      {"tickTime=-5\n", Config{}, `line 1: tickTime is "-5": it must be a number`},
		"NoKey":             {"=3\n", Config{}, `line 1: "=3" is not key=value`},
		"NoSeparator":       {"tickTime\n", Config{}, `line 1: "tickTime" is not key=value`},
		"MinimumAboveLimit": {"minSessionTimeout=2\nmaxSessionTimeout=1", Config{}, "line 2: minSessionTimeout is larger than maxSessionTimeout"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(tt.text)
			if gotErr := errorText(err); gotErr != tt.err {
				t.Fatalf("error: got %q, want %q", gotErr, tt.err)
			}
			if d := cmp.Diff(got, tt.want); d != "" {
				t.Errorf("got (-), want (+):\n%s", d)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "tickTime=2000\nclientPort=2181\n", "a b\n!x\nclientPort:\t1", "=\n", "clientPortAddress=[::1]\nclientPort=0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil && (c.Listen != "" || c.TickTime != 0 || len(c.Unused) > 0) {
			t.Errorf("an error (%v) beside a result: %+v", err, c)
		}
		if c.TickTime < 0 || c.MinSessionTimeout < 0 || c.MaxSessionTimeout < 0 || c.ReapInterval < 0 {
			t.Errorf("a negative time: %+v", c)
		}
	})
}
