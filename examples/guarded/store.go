package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// errNoValue means that nothing was ever written under a key.
var errNoValue = errors.New("no such key")

// A staleError means that somebody with a higher exclusive token was here.
type staleError struct{ Token, Mark int64 }

func (e *staleError) Error() string {
	return fmt.Sprintf("token %d is stale: a holder with token %d has been here", e.Token, e.Mark)
}

// An entry is what is kept under a key.
type entry struct {
	Mark  int64  `json:"mark"`  // the highest exclusive token that was seen
	Value []byte `json:"value"` // nil until the first write
}

// A record is a line of the file: a key's entry from there on.
type record struct {
	Key string `json:"key"`
	entry
}

// A store keeps values and their marks in a file: every change is one line,
// which is on the disk before anybody hears of it. A mark that could be
// forgotten would let a stale holder in. It is safe for concurrent use.
type store struct {
	mu      sync.Mutex
	file    *os.File
	entries map[string]entry
	broken  error // a write that failed: what the disk holds is not known any more
}

// openStore reads the file, or makes it, and writes it anew with one line for
// each key.
func openStore(name string) (*store, error) {
	entries, err := readEntries(name)
	if err != nil {
		return nil, err
	}
	var lines bytes.Buffer
	for key, e := range entries {
		if err := json.NewEncoder(&lines).Encode(record{key, e}); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(name+".new", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = file.Write(lines.Bytes())
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err == nil {
		err = syncDir(filepath.Dir(name))
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("write %s anew: %w", name, err)
	}
	return &store{file: file, entries: entries}, nil
}

// readEntries reads the lines of a file. A last line without its end was being
// written in a crash, and nobody was told of it.
func readEntries(name string) (map[string]entry, error) {
	entries := make(map[string]entry)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return entries, nil
	}
	if err != nil {
		return nil, err
	}
	in := bufio.NewReader(bytes.NewReader(data))
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return entries, nil
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", name, n, err)
		}
		entries[r.Key] = r.entry
	}
}

// syncDir makes a rename in a directory last.
func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// get returns the value of a key. An exclusive token raises the mark also when
// it reads: whoever read before it and writes after it would undo what the
// reader is about to do.
func (s *store) get(key string, token int64, shared bool) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if token < e.Mark {
		return nil, &staleError{token, e.Mark}
	}
	if !shared && token > e.Mark {
		e.Mark = token
		if err := s.keep(key, e); err != nil {
			return nil, err
		}
	}
	if e.Value == nil {
		return nil, errNoValue
	}
	return e.Value, nil
}

// put replaces the value of a key. The token is that of an exclusive hold.
func (s *store) put(key string, token int64, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if mark := s.entries[key].Mark; token < mark {
		return &staleError{token, mark}
	}
	return s.keep(key, entry{token, append([]byte{}, value...)})
}

// keep writes an entry to the disk and then to memory. s.mu is held.
func (s *store) keep(key string, e entry) error {
	if s.broken != nil {
		return s.broken
	}
	line, err := json.Marshal(record{key, e})
	if err != nil {
		return err
	}
	if _, err = s.file.Write(append(line, '\n')); err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		s.broken = fmt.Errorf("the store is out of order until it is started again: %w", err)
		return s.broken
	}
	s.entries[key] = e
	return nil
}

func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = errors.New("the store is closed")
	return s.file.Close()
}
