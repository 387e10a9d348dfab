package marked

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// runs is a text of the vectors: a string, or parts that are repeated.
type runs string

func (r *runs) UnmarshalJSON(data []byte) error {
	var whole string
	if json.Unmarshal(data, &whole) == nil {
		*r = runs(whole)
		return nil
	}
	var parts [][2]json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	for _, part := range parts {
		var text string
		var times int
		if err := errors.Join(json.Unmarshal(part[0], &text), json.Unmarshal(part[1], &times)); err != nil {
			return err
		}
		*r += runs(strings.Repeat(text, times))
	}
	return nil
}

type vector struct {
	Name   string `json:"name"`
	Events []struct {
		Write int  `json:"write"`
		Text  runs `json:"text"`
		End   *int `json:"end"`
	} `json:"events"`
	Expect [][]runs `json:"expect"`
}

func TestVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/lines.json")
	require.NoError(t, err)
	var file struct {
		About string   `json:"about"`
		Cases []vector `json:"cases"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&file))
	require.NotEmpty(t, file.Cases)
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			require.Len(t, c.Expect, len(c.Events))
			var written bytes.Buffer
			log := New(&written)
			streams := map[int]io.Writer{1: log.Out, 2: log.Err}
			for i, event := range c.Events {
				written.Reset()
				if event.End != nil {
					require.NoError(t, log.End(*event.End))
				} else {
					_, err := io.WriteString(streams[event.Write], string(event.Text))
					require.NoError(t, err)
				}
				want := ""
				for _, line := range c.Expect[i] {
					want += string(line) + "\n"
				}
				require.Equal(t, want, written.String(), "event %d", i)
			}
		})
	}
}

func TestWhatIsNoTextIsEscaped(t *testing.T) {
	for given, want := range map[string]string{
		"caf\xe9":             `caf\xe9`,
		"\xe2\x82x":           `\xe2\x82x`,
		"\xed\xa0\x80":        `\xed\xa0\x80`, // half of a surrogate pair
		"\xc0\x80é\xff":       `\xc0\x80é\xff`,
		"\xf4\x90\x80\x80":    `\xf4\x90\x80\x80`, // beyond Unicode
		"\ufffd is itself":    "\ufffd is itself",
		"\ufffd not so: \x80": "\ufffd not so: " + `\x80`,
	} {
		var written bytes.Buffer
		log := New(&written)
		_, err := io.WriteString(log.Out, given+"\n")
		require.NoError(t, err)
		require.Equal(t, "@1>"+want+"\n", written.String())
	}
}

func TestACharacterMayComeInTwoWrites(t *testing.T) {
	var written bytes.Buffer
	log := New(&written)
	_, err := io.Copy(log.Err, iotest.OneByteReader(strings.NewReader("→\nà la carte")))
	require.NoError(t, err)
	require.NoError(t, log.End(0))
	require.Equal(t, "@2>→\n@2>à la carte\n@.0\n", written.String())
}

func TestStreamsThatWriteAtOnce(t *testing.T) {
	var written bytes.Buffer
	log := New(&written)
	const each = 500
	var group sync.WaitGroup
	for name, stream := range map[string]io.Writer{"one": log.Out, "two": log.Err} {
		group.Go(func() {
			for i := range each {
				_, _ = fmt.Fprintf(stream, "%s %d\n", name, i)
			}
		})
	}
	group.Wait()
	next := map[string]int{}
	for line := range strings.Lines(written.String()) {
		mark, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ">")
		name := map[string]string{"@1": "one", "@2": "two"}[mark]
		require.Equal(t, fmt.Sprintf("%s %d", name, next[name]), rest)
		next[name]++
	}
	require.Equal(t, map[string]int{"one": each, "two": each}, next)
}

// broken takes no more.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestAFileThatCannotBeWritten(t *testing.T) {
	log := New(broken{})
	written, err := io.WriteString(log.Out, "a")
	require.NoError(t, err)
	require.Equal(t, 1, written)
	written, err = io.WriteString(log.Out, "b\n")
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.Zero(t, written)
	require.ErrorIs(t, log.End(0), io.ErrClosedPipe)
}
