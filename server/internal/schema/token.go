package schema

import (
	"fmt"
	"strings"
	"unicode"
)

// token is a word, a number, a string, a quoted name or one punctuation mark, as written.
type token string

// is compares a word without regard to its case.
func (t token) is(word string) bool { return strings.EqualFold(string(t), word) }

// splitStatements cuts SQL text at its semicolons and drops comments. Dollar quotes are refused: only procedural code needs them, and DSQL has none.
func splitStatements(text string) ([][]token, error) {
	var statements [][]token
	var current []token
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case unicode.IsSpace(rune(c)):
			i++
		case strings.HasPrefix(text[i:], "--"):
			end := strings.IndexByte(text[i:], '\n')
			if end < 0 {
				end = len(text) - i
			}
			i += end
		case strings.HasPrefix(text[i:], "/*"):
			end := strings.Index(text[i:], "*/")
			if end < 0 {
				return nil, fmt.Errorf("a comment begins with /* and does not end: %s", excerpt(text[i:]))
			}
			i += end + 2
		case c == ';':
			if len(current) > 0 {
				statements = append(statements, current)
				current = nil
			}
			i++
		case c == '\'' || c == '"':
			end, err := quotedEnd(text, i)
			if err != nil {
				return nil, err
			}
			current = append(current, token(text[i:end]))
			i = end
		case c == '$':
			return nil, fmt.Errorf("expected plain SQL, found a dollar quote or a parameter: %s", excerpt(text[i:]))
		case isWordByte(c):
			end := i
			for end < len(text) && isWordByte(text[end]) {
				end++
			}
			current = append(current, token(text[i:end]))
			i = end
		case strings.HasPrefix(text[i:], "::"):
			current = append(current, "::")
			i += 2
		case strings.ContainsRune("(),.=<>+-*/", rune(c)):
			current = append(current, token(c))
			i++
		default:
			return nil, fmt.Errorf("expected SQL, found %q: %s", c, excerpt(text[i:]))
		}
	}
	if len(current) > 0 {
		statements = append(statements, current)
	}
	return statements, nil
}

// quotedEnd gives the index after the closing quote; a doubled quote stands for itself.
func quotedEnd(text string, start int) (int, error) {
	quote := text[start]
	for i := start + 1; i < len(text); i++ {
		if text[i] != quote {
			continue
		}
		if i+1 < len(text) && text[i+1] == quote {
			i++
			continue
		}
		return i + 1, nil
	}
	return 0, fmt.Errorf("a quote does not end: %s", excerpt(text[start:]))
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// excerpt is the beginning of a text, on one line.
func excerpt(text string) string {
	line := strings.Join(strings.Fields(text), " ")
	if len(line) > 100 {
		return line[:100] + "…"
	}
	return line
}

// write joins tokens as a reader expects them: no space inside brackets or before a comma.
func write(tokens []token) string {
	var b strings.Builder
	for i, t := range tokens {
		if i > 0 && spaceBetween(tokens[i-1], t) {
			b.WriteByte(' ')
		}
		b.WriteString(string(t))
	}
	return b.String()
}

func spaceBetween(left, right token) bool {
	switch right {
	case ",", ")", ".", "::":
		return false
	case "(":
		// A type's size and a function's argument stand close; a keyword's bracket does not.
		return left == "," || left == "=" || left.is("KEY") || left.is("UNIQUE") || left.is("CHECK") ||
			left.is("VALUES") || left.is("IDENTITY") || left.is("IN") || left.is("AND") || left.is("OR")
	}
	return left != "(" && left != "." && left != "::"
}
