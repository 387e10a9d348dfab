// Package conformance runs the vectors against internal/policy. See README.md for the format.
package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// runners makes one decision each: it takes a case's config and returns what answers its events.
var runners = map[string]func(t *testing.T, config json.RawMessage) func(event json.RawMessage) any{
	"token_bucket": tokenBucket,
	"stagger":      stagger,
	"backoff":      backoff,
	"holdoff":      holdoff,
	"warmup":       warmup,
	"expiry":       expiry,
	"keeper":       keeper,
	"window":       window,
}

func TestVectors(t *testing.T) {
	files, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	for name := range runners {
		if _, err := os.Stat(name + ".json"); err != nil {
			t.Errorf("%s has no vectors: %v", name, err)
		}
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".json")
		t.Run(name, func(t *testing.T) {
			run, known := runners[name]
			if !known {
				t.Fatalf("%s: no decision of this name", file)
			}
			runFile(t, file, run)
		})
	}
}

type vectorFile struct {
	About string       `json:"about"`
	Cases []vectorCase `json:"cases"`
}

type vectorCase struct {
	Name   string            `json:"name"`
	Config json.RawMessage   `json:"config"`
	Events []json.RawMessage `json:"events"`
	Expect []json.RawMessage `json:"expect"`
}

func runFile(t *testing.T, file string, run func(*testing.T, json.RawMessage) func(json.RawMessage) any) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content := decode[vectorFile](t, data)
	if content.About == "" || len(content.Cases) == 0 {
		t.Fatalf("%s is empty", file)
	}
	for _, c := range content.Cases {
		t.Run(c.Name, func(t *testing.T) {
			if c.Name == "" || len(c.Events) == 0 || len(c.Events) != len(c.Expect) {
				t.Fatalf("%d events, %d answers; want a name, events, and an answer to each", len(c.Events), len(c.Expect))
			}
			answer := run(t, c.Config)
			for i, event := range c.Events {
				if got, want := render(t, answer(event)), canonical(t, c.Expect[i]); got != want {
					t.Fatalf("event %d %s: got %s, want %s", i, event, got, want)
				}
			}
		})
	}
}

// decode reads an object in which every key is known and none is missing but those marked optional.
func decode[T any](t *testing.T, data []byte) T {
	t.Helper()
	var value T
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	for i := range reflect.TypeFor[T]().NumField() {
		field := reflect.TypeFor[T]().Field(i)
		if _, there := keys[field.Tag.Get("json")]; !there && field.Tag.Get("optional") == "" {
			t.Fatalf("%s: no %s", data, field.Tag.Get("json"))
		}
	}
	return value
}

// action reads which of several events one is.
func action(t *testing.T, event json.RawMessage) string {
	t.Helper()
	var do struct {
		Do string `json:"do"`
	}
	if err := json.Unmarshal(event, &do); err != nil {
		t.Fatal(err)
	}
	return do.Do
}

// seconds is a time in decimal seconds, exact to the nanosecond.
type seconds time.Duration

func (s *seconds) UnmarshalJSON(data []byte) error {
	value, ok := new(big.Rat).SetString(string(data))
	if !ok {
		return fmt.Errorf("%s: want seconds", data)
	}
	if value.Mul(value, big.NewRat(int64(time.Second), 1)); !value.IsInt() {
		return fmt.Errorf("%s s: want at most nine decimals", data)
	}
	*s = seconds(value.Num().Int64())
	return nil
}

func (s seconds) MarshalJSON() ([]byte, error) {
	text := new(big.Rat).SetFrac64(int64(s), int64(time.Second)).FloatString(9)
	return []byte(strings.TrimSuffix(strings.TrimRight(text, "0"), ".")), nil
}

func render(t *testing.T, answer any) string {
	t.Helper()
	data, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	return canonical(t, data)
}

// canonical writes JSON with sorted keys; numbers stay as they are written.
func canonical(t *testing.T, data []byte) string {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	sorted, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(sorted)
}

func d(s seconds) time.Duration { return time.Duration(s) }
