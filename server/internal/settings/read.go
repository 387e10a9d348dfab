package settings

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Problem is one variable that cannot be used.
type Problem struct {
	Variable string
	Value    string // as it was given; "" where it was not
	Want     string
}

// String tells it in one line.
func (p Problem) String() string {
	if p.Value == "" {
		return fmt.Sprintf("%s is not set; expected %s", p.Variable, p.Want)
	}
	return fmt.Sprintf("%s=%s; expected %s", p.Variable, p.Value, p.Want)
}

// ProblemsError is everything that is wrong with an environment.
type ProblemsError struct{ Problems []Problem }

// Error tells one problem a line.
func (e *ProblemsError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return "the settings of the dsql plugin cannot be used:\n  " + strings.Join(lines, "\n  ")
}

// reader reads variables and collects what is wrong. A wrong one gets its default, so that the others can still be judged.
type reader struct {
	env      func(string) (string, bool)
	problems []Problem
}

func (r *reader) wrong(variable, value, want string) {
	r.problems = append(r.problems, Problem{Variable: variable, Value: value, Want: want})
}

// has is whether one of the variables has a problem already.
func (r *reader) has(variables ...string) bool {
	for _, p := range r.problems {
		for _, v := range variables {
			if p.Variable == v {
				return true
			}
		}
	}
	return false
}

func (r *reader) text(variable, otherwise string) string {
	if value, _ := r.env(variable); strings.TrimSpace(value) != "" {
		return strings.TrimSpace(value)
	}
	return otherwise
}

func (r *reader) whole(variable string, otherwise, least, most int) int {
	value := r.text(variable, "")
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		r.wrong(variable, value, fmt.Sprintf("a whole number from %d to %d", least, most))
		return otherwise
	}
	return n
}

func (r *reader) number(variable string, otherwise float64, want string, fits func(float64) bool) float64 {
	value := r.text(variable, "")
	if value == "" {
		return otherwise
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !fits(n) {
		r.wrong(variable, value, want)
		return otherwise
	}
	return n
}

func (r *reader) duration(variable string, otherwise, least time.Duration) time.Duration {
	value := r.text(variable, "")
	if value == "" {
		return otherwise
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < least {
		r.wrong(variable, value, fmt.Sprintf("a duration such as 200ms, 5s or 55m, at least %v", least))
		return otherwise
	}
	return d
}

func (r *reader) flag(variable string, otherwise bool) bool {
	switch value := r.text(variable, ""); value {
	case "":
		return otherwise
	case "true":
		return true
	case "false":
		return false
	default:
		r.wrong(variable, value, "true or false")
		return otherwise
	}
}

// oneOf reads one of some words; the first is the default.
func (r *reader) oneOf(variable string, words ...string) string {
	value := r.text(variable, words[0])
	for _, word := range words {
		if value == word {
			return word
		}
	}
	r.wrong(variable, value, strings.Join(words, " or "))
	return words[0]
}
