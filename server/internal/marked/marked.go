// Package marked keeps stdout and stderr apart in a log that holds both: it marks each line with its stream, as auroral's own commands do
// (src/auroral/marked.py), and whoever follows the log takes the marks off. testdata/lines.json holds both to the same bytes.
package marked

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"
)

// A program marks its lines when this variable has this value.
const (
	Variable = "AURORAL_OUTPUT"
	Value    = "marked"
)

// PieceBytes is how long a marked line may be, without its mark. Longer ones go on in the next: log drivers cut lines at 16 KiB or more, wherever
// that falls.
const PieceBytes = 16_000

// The streams' numbers in marks.
const (
	stdout = 1
	stderr = 2
)

// Log is one file that both streams are written to, line by line, in UTF-8.
type Log struct {
	// Out and Err are the two streams. They may be written to at the same time.
	Out, Err io.Writer

	mu   sync.Mutex // of the file
	file io.Writer
	both []*stream
}

// New marks what is written for this file.
func New(file io.Writer) *Log {
	log := &Log{file: file}
	log.both = []*stream{{log: log, number: stdout}, {log: log, number: stderr}}
	log.Out, log.Err = log.both[0], log.both[1]
	return log
}

// End ends the lines that have begun, and says with the exit status that nothing follows.
func (l *Log) End(status int) error {
	for _, s := range l.both {
		if err := s.finish(); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := fmt.Fprintf(l.file, "@.%d\n", status)
	return err
}

// stream is one of the two.
type stream struct {
	log    *Log
	number int
	begun  []byte // a line without its end
}

// Write writes the lines that are whole, and keeps the rest.
func (s *stream) Write(data []byte) (int, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	end := bytes.LastIndexByte(data, '\n')
	if end < 0 {
		s.begun = append(s.begun, data...)
		return len(data), nil
	}
	var lines []byte
	for line := range bytes.SplitSeq(append(s.begun, data[:end]...), []byte{'\n'}) {
		lines = mark(lines, s.number, line)
	}
	s.begun = bytes.Clone(data[end+1:])
	if _, err := s.log.file.Write(lines); err != nil {
		return 0, err
	}
	return len(data), nil
}

func (s *stream) finish() error {
	if len(s.begun) == 0 {
		return nil
	}
	_, err := s.Write([]byte{'\n'})
	return err
}

// mark appends a line as lines with marks: @1>… is one of stdout, @1+… a piece of it that goes on in the next.
func mark(to []byte, number int, line []byte) []byte {
	rest := text(line)
	for len(rest) > PieceBytes {
		cut := PieceBytes
		for !utf8.RuneStart(rest[cut]) {
			cut--
		}
		to = fmt.Appendf(to, "@%d+%s\n", number, rest[:cut])
		rest = rest[cut:]
	}
	return fmt.Appendf(to, "@%d>%s\n", number, rest)
}

// text escapes the bytes that are no UTF-8, as auroral does where it passes on the lines of a program.
func text(line []byte) []byte {
	if utf8.Valid(line) {
		return line
	}
	var escaped []byte
	for len(line) > 0 {
		r, size := utf8.DecodeRune(line)
		if r == utf8.RuneError && size == 1 {
			escaped = fmt.Appendf(escaped, `\x%02x`, line[0])
		} else {
			escaped = append(escaped, line[:size]...)
		}
		line = line[size:]
	}
	return escaped
}
