package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
)

// query is a visibility query of the few forms that this server reads: conditions joined by AND.
type query struct {
	conditions  []condition
	closedAfter time.Time
	closedOnly  bool
	grouped     bool
}

type condition func(*run) bool

var (
	conjunction = regexp.MustCompile(`(?i)\s+AND\s+`)
	grouping    = regexp.MustCompile(`(?i)\s*GROUP\s+BY\s+ExecutionStatus\s*$`)
	ordering    = regexp.MustCompile(`(?i)\s*ORDER\s+BY\s+.*$`)
	comparison  = regexp.MustCompile(`(?i)^(\w+)\s*(STARTS_WITH|!=|>=|<=|=|>|<)\s*['"]([^'"]*)['"]$`)
)

// parse reads a query. The error says what it does not know.
func parse(text string) (query, error) {
	made := query{grouped: grouping.MatchString(text)}
	text = strings.TrimSpace(ordering.ReplaceAllString(grouping.ReplaceAllString(text, ""), ""))
	if text == "" {
		return made, nil
	}
	for _, part := range conjunction.Split(text, -1) {
		if err := made.add(strings.Trim(strings.TrimSpace(part), "()")); err != nil {
			return query{}, err
		}
	}
	return made, nil
}

func (q *query) add(part string) error {
	found := comparison.FindStringSubmatch(part)
	if found == nil {
		return refusedQuery(part)
	}
	field, operator, value := found[1], strings.ToUpper(found[2]), found[3]
	switch field {
	case "WorkflowId", "WorkflowType":
		read := func(one *run) string { return one.key.id }
		if field == "WorkflowType" {
			read = func(one *run) string { return one.kind.GetName() }
		}
		switch operator {
		case "STARTS_WITH":
			q.conditions = append(q.conditions, func(one *run) bool { return strings.HasPrefix(read(one), value) })
		case "=":
			q.conditions = append(q.conditions, func(one *run) bool { return read(one) == value })
		case "!=":
			q.conditions = append(q.conditions, func(one *run) bool { return read(one) != value })
		default:
			return refusedQuery(part)
		}
	case "ExecutionStatus":
		return q.addStatus(part, operator, value)
	case "CloseTime", "StartTime":
		return q.addTime(part, field, operator, value)
	default:
		return refusedQuery(part)
	}
	return nil
}

func (q *query) addStatus(part, operator, value string) error {
	status, err := enumspb.WorkflowExecutionStatusFromString(value)
	if err != nil || operator != "=" && operator != "!=" {
		return refusedQuery(part)
	}
	running := status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	q.closedOnly = q.closedOnly || running == (operator == "!=")
	if running {
		wanted := operator == "!="
		q.conditions = append(q.conditions, func(one *run) bool { return one.isClosed.Load() == wanted })
		return nil
	}
	wanted := operator == "="
	q.conditions = append(q.conditions, func(one *run) bool {
		return one.isClosed.Load() && (one.status == status) == wanted || !one.isClosed.Load() && !wanted
	})
	return nil
}

func (q *query) addTime(part, field, operator, value string) error {
	at, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return refusedQuery(part)
	}
	read := func(one *run) time.Time { return one.startedAt }
	if field == "CloseTime" {
		q.closedOnly = true
		read = func(one *run) time.Time { return one.closedAt }
		if operator == ">=" || operator == ">" {
			q.closedAfter = at
		}
	}
	compare := map[string]condition{
		">=": func(one *run) bool { return !read(one).Before(at) },
		">":  func(one *run) bool { return read(one).After(at) },
		"<=": func(one *run) bool { return !read(one).After(at) },
		"<":  func(one *run) bool { return read(one).Before(at) },
	}[operator]
	if compare == nil {
		return refusedQuery(part)
	}
	if field == "CloseTime" {
		q.conditions = append(q.conditions, func(one *run) bool { return one.isClosed.Load() && compare(one) })
		return nil
	}
	q.conditions = append(q.conditions, compare)
	return nil
}

// matches says whether a run is asked for. A condition reads only what does not change after the run has closed,
// which `isClosed` tells.
func (q *query) matches(one *run) bool {
	for _, condition := range q.conditions {
		if !condition(one) {
			return false
		}
	}
	return true
}

func refusedQuery(part string) error {
	return serviceerror.NewInvalidArgument(fmt.Sprintf(
		"this server does not read %q: it knows WorkflowId, WorkflowType, ExecutionStatus, StartTime, CloseTime, joined by AND",
		part,
	))
}
