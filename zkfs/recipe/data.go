package recipe

import (
	"encoding/json"
	"strings"
	"time"
)

// DataFormat is the major version of Data.
const DataFormat = 1

// Data is what an agent writes into its contender, for people and other agents.
type Data struct {
	Lockform int       `json:"lockform"` // DataFormat
	Host     string    `json:"host"`
	PID      int       `json:"pid"`
	ID       string    `json:"id"` // the GUID
	Owner    string    `json:"owner"`
	Mode     string    `json:"mode"`    // exclusive, shared or semaphore
	Since    time.Time `json:"since"`   // when it queued
	Signals  bool      `json:"signals"` // it releases with a multi of setData and delete
}

// Encode returns the data in the form that stands in the znode. It is UTF-8
// whatever the strings hold: kazoo reads it as text.
func (d Data) Encode() []byte {
	d.Lockform = DataFormat
	d.Host, d.Owner = strings.ToValidUTF8(d.Host, "?"), strings.ToValidUTF8(d.Owner, "?")
	d.Since = d.Since.UTC()
	data, err := json.Marshal(d)
	if err != nil {
		// Only a year beyond 9999 has no JSON form.
		d.Since = time.Time{}
		data, _ = json.Marshal(d)
	}
	return data
}

// ParseData reads the data of a contender. False means that it is not an
// agent's.
func ParseData(data []byte) (Data, bool) {
	var d Data
	if len(data) == 0 || data[0] != '{' || json.Unmarshal(data, &d) != nil || d.Lockform < 1 {
		return Data{}, false
	}
	return d, true
}
