package proc

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestStat(t *testing.T) {
	tail := " S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987 100 200"
	for _, tt := range []struct {
		name, line string
		want       Process
		ok         bool
	}{
		{"Plain", "42 (sh)" + tail, Process{42, 1, 2, 3, 'S', 987}, true},
		{"ParenthesesInTheName", "42 (a) S 9 9 (b)" + tail, Process{42, 1, 2, 3, 'S', 987}, true},
		{"NewlineInTheName", "42 (a\nb)" + tail + "\n", Process{42, 1, 2, 3, 'S', 987}, true},
		{"Empty", "", Process{}, false},
		{"NoName", "42 S 1 2 3", Process{}, false},
		{"Short", "42 (sh) S 1 2 3", Process{}, false},
		{"NoNumber", "x (sh)" + tail, Process{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStat([]byte(tt.line))
			if (err == nil) != tt.ok || got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("42 (sh) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987 100 200"))
	f.Add([]byte(")("))
	f.Fuzz(func(t *testing.T, line []byte) { _, _ = parseStat(line) })
}

func TestFamily(t *testing.T) {
	table := Table{
		{PID: 1}, {PID: 10, Parent: 1, Group: 10, Session: 10, State: 'S'},
		{PID: 11, Parent: 10, Group: 11, Session: 10, State: 'S'},
		{PID: 12, Parent: 11, Group: 11, Session: 10, State: 'Z'},
		{PID: 13, Parent: 12, Group: 13, Session: 13, State: 'R'},
		{PID: 14, Parent: 10, Group: 14, Session: 14, State: 'S'},
		{PID: 15, Parent: 14, Group: 14, Session: 14, State: 'S'},
		{PID: 20, Parent: 1, Group: 11, Session: 10, State: 'S'},
	}
	pids := func(ps []Process) (all []int) {
		for _, p := range ps {
			all = append(all, p.PID)
		}
		slices.Sort(all)
		return all
	}
	if got, want := pids(table.InGroup(11)), []int{11, 20}; !slices.Equal(got, want) {
		t.Errorf("group: got %d, want %d", got, want)
	}
	if got, want := pids(table.Descendants(10, nil)), []int{11, 13, 14, 15}; !slices.Equal(got, want) {
		t.Errorf("descendants: got %d, want %d", got, want)
	}
	not14 := func(p Process) bool { return p.PID == 14 }
	if got, want := pids(table.Descendants(10, not14)), []int{11, 13}; !slices.Equal(got, want) {
		t.Errorf("descendants but one: got %d, want %d", got, want)
	}
	if got, want := pids(Target{Group: 11, Root: 10, Skip: not14}.FindIn(table)), []int{11, 13, 20}; !slices.Equal(got, want) {
		t.Errorf("target: got %d, want %d", got, want)
	}
	if got := (Target{}).FindIn(table); len(got) > 0 {
		t.Errorf("no target: got %v", got)
	}
}

func TestReadFindsThisProcess(t *testing.T) {
	table, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(table, func(p Process) bool { return p.PID == os.Getpid() })
	if i < 0 || table[i].Parent != os.Getppid() || !table[i].Alive() {
		t.Errorf("this process is %d in %v", i, table)
	}
}

// A process that got the pid of another is not signalled in its place.
func TestASignalNeedsTheSameProcess(t *testing.T) {
	self, err := Look(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	self.Start++
	if err := self.Signal(9); err != nil { // had it been sent, nobody would read this
		t.Error(err)
	}
	if !marked(os.Getpid(), firstVariable()) {
		t.Error("the own environment is not found")
	}
	if marked(os.Getpid(), "no such mark "+strings.Repeat("x", 30)) {
		t.Error("a mark is found that does not stand there")
	}
}

func firstVariable() string { return os.Environ()[0] }
