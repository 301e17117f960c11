package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ask sends one request to the store and returns the status.
func ask(s *store, method, token, mode, body string) (int, string) {
	r := httptest.NewRequest(method, "/ledger", strings.NewReader(body))
	if token != "" {
		r.Header.Set("Lockform-Token", token)
	}
	if mode != "" {
		r.Header.Set("Lockform-Mode", mode)
	}
	w := httptest.NewRecorder()
	handler(s).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestTokens(t *testing.T) {
	type request struct {
		method, token, mode, body string
		want                      int
	}
	for name, requests := range map[string][]request{
		"LaterHoldersWin":        {{"PUT", "5", "", "a", 204}, {"PUT", "7", "exclusive", "b", 204}, {"PUT", "5", "", "c", 409}, {"GET", "7", "", "b", 200}},
		"OneHolderWritesTwice":   {{"PUT", "5", "", "a", 204}, {"PUT", "5", "", "b", 204}, {"GET", "5", "", "b", 200}},
		"StaleReadIsRefused":     {{"PUT", "5", "", "a", 204}, {"GET", "4", "", "", 409}, {"GET", "4", "shared", "", 409}},
		"ReadingRaisesTheMark":   {{"PUT", "5", "", "a", 204}, {"GET", "7", "", "a", 200}, {"PUT", "5", "", "b", 409}},
		"ReadOfNothingRaisesToo": {{"GET", "7", "", "", 404}, {"PUT", "5", "", "b", 409}, {"PUT", "7", "", "b", 204}},
		"SharedRaisesNothing":    {{"PUT", "5", "", "a", 204}, {"GET", "9", "shared", "a", 200}, {"PUT", "6", "", "b", 204}},
		"SharedWritesNothing":    {{"PUT", "5", "shared", "a", 403}},
		"SemaphoreFencesNothing": {{"PUT", "5", "semaphore", "a", 400}, {"GET", "5", "semaphore", "", 400}},
		"NoToken":                {{"GET", "", "", "", 428}, {"PUT", "", "", "a", 428}},
		"NotAToken":              {{"GET", "0x5", "", "", 400}, {"PUT", "-5", "", "a", 400}, {"PUT", "5\n6", "", "a", 400}},
		"TooLarge":               {{"PUT", "5", "", strings.Repeat("x", maxValue+1), 413}, {"PUT", "5", "", strings.Repeat("x", maxValue), 204}},
		"EmptyIsAValue":          {{"PUT", "5", "", "", 204}, {"GET", "5", "", "", 200}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := openStore(filepath.Join(t.TempDir(), "file"))
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			for i, r := range requests {
				code, body := ask(s, r.method, r.token, r.mode, r.body)
				if code != r.want || code == 200 && body != r.body {
					t.Fatalf("request %d: got %d %q, want %d %q", i+1, code, body, r.want, r.body)
				}
			}
		})
	}
}

// What was answered survives a crash; a line that was cut off in one counts for
// nothing, and is no obstacle.
func TestMarksSurvive(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	for round := range 3 {
		s, err := openStore(name)
		if err != nil {
			t.Fatal(err)
		}
		if round > 0 {
			if code, _ := ask(s, "PUT", "6", "", "late"); code != 409 {
				t.Errorf("round %d: a stale token got %d", round, code)
			}
			if code, body := ask(s, "GET", "9", "", ""); code != 200 || body != "b" {
				t.Errorf("round %d: got %d %q, want what was written", round, code, body)
			}
		} else {
			for _, token := range []string{"5", "7"} {
				if code, _ := ask(s, "PUT", token, "", map[string]string{"5": "a", "7": "b"}[token]); code != 204 {
					t.Fatalf("token %s got %d", token, code)
				}
			}
		}
		// No close: a crash would not either.
		f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(`{"key":"ledger","mark":99,"va`); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if err := os.WriteFile(name, []byte("not what it was\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(name); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("got %v, want an error that names the line", err)
	}
}

// A store that could not write does not go on as if it had.
func TestFailedWriteStopsTheStore(t *testing.T) {
	s, err := openStore(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.file.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if code, body := ask(s, "PUT", "5", "", "a"); code != 500 || !strings.Contains(body, "out of order") {
			t.Errorf("got %d %q", code, body)
		}
	}
}
