package doctor

import (
	"bytes"
	"testing"

	"gotest.tools/v3/golden"
)

func sample() *Report {
	r := &Report{Time: noon}
	r.Add(Ensemble{Name: "main", Quorum: true, Locks: 12, Servers: []Server{member("zk1:2181", "leader"), dead("zk2:2181")}}, []Finding{
		{Severity: Note, Check: "delete", Ensemble: "main", Paths: []string{"/jobs/a"}, Address: "lock.a", Summary: "Two may delete it", Remedy: "That is normal."},
		{Severity: Error, Check: "sequence", Ensemble: "main", Paths: []string{"/jobs/b"}, Summary: "The sequence has come to its end", Remedy: "Rotate it."},
	})
	r.Add(Ensemble{Name: "other", Servers: []Server{}}, []Finding{
		{Severity: Warning, Check: "reachable", Ensemble: "other", Server: "zk9:2181", Paths: []string{}, Summary: "The server cannot be reached"},
	})
	r.Sort()
	return r
}

func TestReport(t *testing.T) {
	for name, write := range map[string]func(*bytes.Buffer) error{
		"report.txt":   func(b *bytes.Buffer) error { return sample().Text(b, false) },
		"report.color": func(b *bytes.Buffer) error { return sample().Text(b, true) },
		"report.json":  func(b *bytes.Buffer) error { return sample().JSON(b) },
		"healthy.txt":  func(b *bytes.Buffer) error { return (&Report{Time: noon}).Text(b, false) },
		"healthy.json": func(b *bytes.Buffer) error { return (&Report{Time: noon}).JSON(b) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, b.String(), name)
		})
	}
	if sample().Healthy() || !(&Report{Findings: []Finding{{Severity: Warning}}}).Healthy() {
		t.Error("only errors are unhealthy")
	}
}
