package recipe

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	aID = "a1111111111111111111111111111111"
	bID = "b2222222222222222222222222222222"
	cID = "c3333333333333333333333333333333"
)

func protected(id string) string {
	return "_c_" + id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:] + "-"
}

func namesOf(all []Contender) string {
	var s []string
	for _, c := range all {
		s = append(s, c.Name)
	}
	return strings.Join(s, " ")
}

func TestAhead(t *testing.T) {
	for name, c := range map[string]struct {
		children string // the last one is ours
		want     string
	}{
		"Alone":                      {"lock-0000000001", ""},
		"Second":                     {"lock-0000000001 lock-0000000002", "lock-0000000001"},
		"Later":                      {"lock-0000000003 lock-0000000002", ""},
		"NearestLast":                {"lock-0000000002 lock-0000000001 lock-0000000003", "lock-0000000001 lock-0000000002"},
		"WriterBehindReader":         {"read-0000000001 write-0000000002", "read-0000000001"},
		"ReaderBehindReader":         {"read-0000000001 read-0000000002", ""},
		"ReaderBehindWriter":         {"write-0000000001 read-0000000002", "write-0000000001"},
		"ReaderPassesReaders":        {"write-0000000001 read-0000000002 read-0000000003", "write-0000000001"},
		"OurOwnForm":                 {protected(aID) + "lock-0000000007 " + protected(bID) + "lock-0000000003 " + protected(cID) + "lock-0000000005", protected(bID) + "lock-0000000003"},
		"OurOwnFormAndAnother":       {protected(aID) + "lock-0000000003 " + bID + "__lock__0000000004 " + protected(cID) + "lock-0000000005", bID + "__lock__0000000004"},
		"PastTheEnd":                 {protected(aID) + "lock--000000007 " + protected(cID) + "lock-0000000005", protected(aID) + "lock--000000007"},
		"AnOlderOneOfOurs":           {protected(cID) + "lock-0000000003 " + protected(cID) + "lock-0000000005", ""},
		"AnyMixture":                 {"seq-0000000001 x-12-0000000002 a__lock__0000000003 lock-0000000004", "seq-0000000001 x-12-0000000002 a__lock__0000000003"},
		"SharedOfAnotherRecipe":      {"a__rlock__0000000001 read-0000000002", ""},
		"NegativeGoesFirst":          {"lock--000000001 lock-0000000001", "lock--000000001"},
		"SameSequenceWriterFirst":    {"_c_a-__WRIT__0000000001 _c_a-__READ__0000000001", "_c_a-__WRIT__0000000001"},
		"NamesDecideBetweenEquals":   {"lock-2147483647 alock-2147483647", ""},
		"StrangersAreNotInTheWay":    {"policy notes lock-0000000001", ""},
		"OtherNamesOfOurGUID":        {aID + "__lock__0000000001 " + protected(aID) + "lock-0000000002", ""},
		"SequencesAreNumbersNotText": {"lock-9 lock-0000000010", "lock-9"},
	} {
		t.Run(name, func(t *testing.T) {
			children := strings.Fields(c.children)
			own := children[len(children)-1]
			rand.Shuffle(len(children), func(i, j int) { children[i], children[j] = children[j], children[i] })
			s := Recipe{}.Stand(children, own, false)
			want := ""
			if all := strings.Fields(c.want); len(all) > 0 {
				want = all[len(all)-1]
			}
			if got := s.Ahead; !s.There || got.Name != want {
				t.Errorf("got %q ahead, want %q", got.Name, want)
			} else if whole, _ := (Recipe{}).Parse(want); got != whole {
				t.Errorf("got %+v, want %+v", got, whole)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	bridge, _ := New("bridge", "read_write", "")
	semaphore, _ := New("curator", "semaphore", "")
	writer := func(id, n string) []string {
		return []string{id + "__lock__000000000" + n, protected(id) + "lock-000000000" + n, protected(id) + "__WRIT__000000000" + n}
	}
	for name, c := range map[string]struct {
		recipe   Recipe
		children []string
		permits  int
		holds    string // a letter for each place: H holds, w waits
	}{
		"Empty":                {Recipe{}, nil, 0, ""},
		"Exclusive":            {Recipe{}, []string{"lock-0000000001", "lock-0000000002"}, 0, "Hw"},
		"ReadersHoldTogether":  {Recipe{}, []string{"read-0000000001", "read-0000000002", "write-0000000003", "read-0000000004"}, 0, "HHww"},
		"WriterFirst":          {Recipe{}, []string{"write-0000000001", "read-0000000002"}, 0, "Hw"},
		"OneOfThreeNames":      {bridge, append(writer(aID, "1"), writer(bID, "2")...), 0, "Hw"},
		"Permits":              {semaphore, []string{"lock-0000000001", "lock-0000000002", "lock-0000000003"}, 2, "HHw"},
		"MorePermitsThanUsers": {semaphore, []string{"lock-0000000001"}, 5, "H"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, p := range c.recipe.Queue(c.children).Places(c.permits) {
				got += map[bool]string{true: "H", false: "w"}[p.Holds]
			}
			if got != c.holds {
				t.Errorf("got %s, want %s", got, c.holds)
			}
		})
	}
	if blind := bridge.Queue(writer(aID, "1")).Blind(true); len(blind) != 0 {
		t.Errorf("a reader's recipe takes its own writer's %v for foreign", namesOf(blind))
	}
	if blind := bridge.Queue(writer(aID, "1")[1:2]).Blind(true); len(blind) != 1 {
		t.Error("Curator's mutex does not see readers, and is not foreign to them")
	}
	q := bridge.Queue(writer(aID, "1"))
	if p := q.Places(0); len(p) != 1 || len(p[0].Names) != 3 || len(q.ByGUID(aID)) != 3 || len(q.ByGUID("")) != 0 {
		t.Errorf("got %+v, want one place with three names", p)
	}
}

func TestQueueKnowsStrangers(t *testing.T) {
	q := Recipe{}.Queue([]string{"policy", "lock-0000000001", "leases"})
	if !slices.Equal(q.Unknown, []string{"leases", "policy"}) || !CuratorSemaphore(q.Unknown) || len(q.Contenders) != 1 {
		t.Errorf("got %+v", q)
	}
	if CuratorSemaphore([]string{"policy"}) {
		t.Error("any stranger is taken for a semaphore")
	}
	if got := namesOf((Recipe{}).Queue([]string{"seq-0000000001", "lock-0000000002"}).Blind(false)); got != "seq-0000000001" {
		t.Errorf("got %q as blind", got)
	}
}

// Each of the three names of a bridge would be blind to another recipe's on its
// own; together they are one contender, which sees with any of them.
func TestOneNameOfABridgeSees(t *testing.T) {
	bridge, _ := New("bridge", "read_write", "")
	writer := []string{aID + "__lock__0000000001", protected(aID) + "lock-0000000002", protected(aID) + "__WRIT__0000000003"}
	mutex := protected(bID) + "lock-0000000004"
	if got := namesOf(bridge.Queue(append(writer, mutex)).Blind(true)); got != mutex {
		t.Errorf("got %q as blind to a reader, want Curator's mutex alone", got)
	}
}

func TestData(t *testing.T) {
	d := Data{Host: "h\xff", PID: 7, ID: aID, Owner: "a\"b <é>", Mode: "shared", Since: time.Date(2026, 11, 20, 12, 0, 0, 5e8, time.FixedZone("", 3600)), Signals: true}
	data := d.Encode()
	want := `{"lockform":1,"host":"h?","pid":7,"id":"` + aID + `","owner":"a\"b \u003cé\u003e","mode":"shared","since":"2026-11-20T11:00:00.5Z","signals":true}`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
	got, ok := ParseData(data)
	if !ok || got.Owner != d.Owner || !got.Since.Equal(d.Since) || got.PID != 7 || !got.Signals {
		t.Errorf("got %+v, %v", got, ok)
	}
	for _, other := range []string{"", "10.0.0.1", "{", "{}", `{"lockform":0}`, `[1]`, `{"lockform":"x"}`} {
		if d, ok := ParseData([]byte(other)); ok {
			t.Errorf("%q is read as %+v", other, d)
		}
	}
	plain := Data{Host: "h", Owner: "alice <a@h>", Mode: "exclusive"}
	if got, ok := ParseData(plain.Encode()); !ok || got.Owner != plain.Owner || got.Host != "h" || got.Signals {
		t.Errorf("got %+v, %v", got, ok)
	}
}

func FuzzParseData(f *testing.F) {
	f.Add([]byte(`{"lockform":1,"host":"h","since":"2026-11-20T11:00:00Z"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, ok := ParseData(data)
		if !ok {
			return
		}
		if d.Since.Year() > 9999 {
			return // no time has such a form, and none is read
		}
		if again, ok := ParseData(d.Encode()); !ok || again.ID != d.ID && !strings.Contains(d.ID, "\ufffd") {
			t.Fatalf("%+v came back as %+v", d, again)
		}
	})
}
