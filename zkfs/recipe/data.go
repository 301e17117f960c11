package recipe

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// DataFormat is the major version of Data.
const DataFormat = 1

// Data is what an agent writes into its contender, for people and other agents.
type Data struct {
	Lockform int       `json:"lockform"` // DataFormat, as it was read
	Host     string    `json:"host"`
	PID      int       `json:"pid"`
	ID       string    `json:"id"` // the GUID
	Owner    string    `json:"owner"`
	Mode     string    `json:"mode"`    // exclusive, shared or semaphore
	Since    time.Time `json:"since"`   // when it queued
	Signals  bool      `json:"signals"` // it releases with a multi of setData and delete
}

// Encode returns the data in the form that stands in the znode: compact JSON,
// and UTF-8 whatever the strings hold, since kazoo reads it as text.
func (d Data) Encode() []byte {
	// Written by hand: it is a part of the cost of taking a free lock.
	b := make([]byte, 0, 256)
	b = append(b, `{"lockform":`...)
	b = strconv.AppendInt(b, DataFormat, 10)
	b = append(b, `,"host":`...)
	b = appendString(b, d.Host)
	b = append(b, `,"pid":`...)
	b = strconv.AppendInt(b, int64(d.PID), 10)
	b = append(b, `,"id":`...)
	b = appendString(b, d.ID)
	b = append(b, `,"owner":`...)
	b = appendString(b, d.Owner)
	b = append(b, `,"mode":`...)
	b = appendString(b, d.Mode)
	b = append(b, `,"since":"`...)
	b = d.Since.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","signals":`...)
	b = strconv.AppendBool(b, d.Signals)
	return append(b, '}')
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			quoted, err := json.Marshal(strings.ToValidUTF8(s, "?"))
			if err != nil {
				return append(b, `""`...) // every valid string has a JSON form
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
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
