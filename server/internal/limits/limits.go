// Package limits finds, in Temporal's dynamic configuration, the limits above what DSQL can hold.
//
// A limit that is too large is not refused by Temporal but by the database, in the middle of a workflow: the write fails
// again and again, and the workflow stands still. Pure: values in, problems out.
package limits

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/components/nexusoperations"
)

// Problem is one limit, or a group of limits, that DSQL cannot hold.
type Problem struct {
	Key       string // of the dynamic configuration
	Namespace string // where the value holds for one namespace only
	Value     int
	Largest   int    // a value that is safe, with the others' shipped ones; negative where there is none
	Reason    string // with the arithmetic
}

// limit is one number of the dynamic configuration, with Temporal's own default.
type limit struct {
	key        dynamicconfig.Key
	name       string
	standard   int
	namespaced bool
}

func perNamespace(name string, setting dynamicconfig.NamespaceTypedSetting[int]) limit {
	standard := setting.Get(dynamicconfig.NewNoopCollection())("")
	return limit{key: setting.Key(), name: name, standard: standard, namespaced: true}
}

func global(name string, setting dynamicconfig.GlobalTypedSetting[int]) limit {
	return limit{key: setting.Key(), name: name, standard: setting.Get(dynamicconfig.NewNoopCollection())()}
}

var (
	blob        = perNamespace("limit.blobSize.error", dynamicconfig.BlobSizeLimitError)
	memo        = perNamespace("limit.memoSize.error", dynamicconfig.MemoSizeLimitError)
	attributes  = perNamespace("frontend.searchAttributesTotalSizeLimit", dynamicconfig.SearchAttributesTotalSizeLimit)
	batch       = global("system.transactionSizeLimit", dynamicconfig.TransactionSizeLimit)
	buffered    = global("history.maximumBufferedEventsSizeInBytes", dynamicconfig.MaximumBufferedEventsSizeInBytes)
	state       = global("limit.mutableStateSize.error", dynamicconfig.MutableStateSizeLimitError)
	updates     = perNamespace("history.maxTotalUpdates", dynamicconfig.WorkflowExecutionMaxTotalUpdates)
	operations  = perNamespace("component.nexusoperations.limit.operation.concurrency", nexusoperations.MaxConcurrentOperations)
	tokenLength = perNamespace("component.nexusoperations.limit.operation.token.length", nexusoperations.MaxOperationTokenLength)
	idLength    = global("limit.maxIDLength", dynamicconfig.MaxIDLengthLimit)
	buildID     = global("limit.workerBuildIdSize", dynamicconfig.WorkerBuildIdSizeLimit)
	signals     = perNamespace("history.maximumSignalsPerExecution", dynamicconfig.MaximumSignalsPerExecution)

	pending = []limit{
		perNamespace("limit.numPendingActivities.error", dynamicconfig.NumPendingActivitiesLimitError),
		perNamespace("limit.numPendingChildExecutions.error", dynamicconfig.NumPendingChildExecutionsLimitError),
		perNamespace("limit.numPendingSignals.error", dynamicconfig.NumPendingSignalsLimitError),
		perNamespace("limit.numPendingCancelRequests.error", dynamicconfig.NumPendingCancelRequestsLimitError),
	}

	all = append([]limit{blob, memo, attributes, batch, buffered, state, updates, operations, tokenLength, idLength, buildID, signals}, pending...)
)

// term is one limit within a sum, counted so many times.
type term struct {
	limit limit
	times int
}

// rule is a sum of limits that must not exceed what is there.
type rule struct {
	terms  []term
	fixed  int
	most   int
	reason string
}

// Check gives every problem of the configuration, in a steady order; none where DSQL can hold what it allows.
func Check(values dynamicconfig.ConfigValueMap) []Problem {
	problems := unreadable(values)
	if len(problems) > 0 {
		return problems
	}
	for _, namespace := range namespaces(values) {
		of := func(l limit) int { return valueOf(values, l, namespace) }
		for _, r := range rules(of) {
			for _, p := range r.check(of) {
				p.Namespace = namespace
				if !told(problems, p) {
					problems = append(problems, p)
				}
			}
		}
	}
	return problems
}

// Text prints the problems for a person: each with its reason, then the lines that put all of them right.
func Text(problems []Problem) string {
	var text strings.Builder
	fmt.Fprintf(&text, "the dynamic configuration allows more than DSQL can hold (%d):\n", len(problems))
	for _, p := range problems {
		where := ""
		if p.Namespace != "" {
			where = fmt.Sprintf(" (namespace %s)", p.Namespace)
		}
		fmt.Fprintf(&text, "  %s%s is %d: %s\n", p.Key, where, p.Value, p.Reason)
	}
	text.WriteString("\nSet in the dynamic configuration's file (images/server/dynamicconfig/dsql.yaml has all of them):\n\n")
	text.WriteString(Lines(problems))
	return text.String()
}

// Lines gives the YAML that puts the problems right.
func Lines(problems []Problem) string {
	type entry struct {
		namespace string
		value     int
	}
	var keys []string
	byKey := map[string][]entry{}
	for _, p := range problems {
		if p.Largest < 0 {
			continue
		}
		if _, seen := byKey[p.Key]; !seen {
			keys = append(keys, p.Key)
		}
		entries := byKey[p.Key]
		if i := slices.IndexFunc(entries, func(e entry) bool { return e.namespace == p.Namespace }); i >= 0 {
			entries[i].value = min(entries[i].value, p.Largest)
		} else {
			byKey[p.Key] = append(entries, entry{p.Namespace, p.Largest})
		}
	}
	var text strings.Builder
	for _, key := range keys {
		fmt.Fprintf(&text, "%s:\n", key)
		for _, e := range byKey[key] {
			fmt.Fprintf(&text, "  - value: %d\n", e.value)
			if e.namespace != "" {
				fmt.Fprintf(&text, "    constraints:\n      namespace: %q\n", e.namespace)
			}
		}
	}
	return text.String()
}

func (r rule) sum(of func(limit) int) int {
	sum := r.fixed
	for _, t := range r.terms {
		sum += t.times * of(t.limit)
	}
	return sum
}

// check blames each limit of a sum that is above the value shipped for it: the sum is kept if all of them follow. Where none is,
// another limit shrank the room, and the largest part of the sum is blamed.
func (r rule) check(of func(limit) int) []Problem {
	sum := r.sum(of)
	if sum <= r.most {
		return nil
	}
	reason := fmt.Sprintf(r.reason, sum, r.most)
	var problems []Problem
	for _, t := range r.terms {
		if safe := shipped[t.limit.name]; of(t.limit) > safe {
			problems = append(problems, Problem{Key: t.limit.name, Value: of(t.limit), Largest: safe, Reason: reason})
		}
	}
	if len(problems) > 0 {
		return problems
	}
	largest := slices.MaxFunc(r.terms, func(a, b term) int { return cmp.Compare(a.times*of(a.limit), b.times*of(b.limit)) })
	value := of(largest.limit)
	room := r.most - (sum - largest.times*value)
	if room >= 0 {
		room /= largest.times
	}
	return []Problem{{Key: largest.limit.name, Value: value, Largest: max(room, -1), Reason: reason}}
}

func valueOf(values dynamicconfig.ConfigValueMap, l limit, namespace string) int {
	value := l.standard
	for _, v := range values[l.key] {
		number, _ := whole(v.Value)
		switch {
		case v.Constraints.Namespace == "":
			value = number
		case l.namespaced && v.Constraints.Namespace == namespace:
			return number
		}
	}
	return value
}

// namespaces gives "" for everyone, then each namespace that has values of its own.
func namespaces(values dynamicconfig.ConfigValueMap) []string {
	names := []string{""}
	for _, l := range all {
		for _, v := range values[l.key] {
			if name := v.Constraints.Namespace; l.namespaced && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func unreadable(values dynamicconfig.ConfigValueMap) (problems []Problem) {
	for _, l := range all {
		for _, v := range values[l.key] {
			if _, ok := whole(v.Value); !ok {
				problems = append(problems, Problem{
					Key: l.name, Namespace: v.Constraints.Namespace, Largest: shipped[l.name],
					Reason: fmt.Sprintf("a whole number was expected, not %#v", v.Value),
				})
			}
		}
	}
	return problems
}

// whole takes what Temporal's own reader takes for an integer.
func whole(value any) (int, bool) {
	switch v := value.(type) {
	case int:
		return v, true
	case int32:
		return int(v), true
	case int64:
		return int(v), true
	}
	return 0, false
}

// told says whether a namespace's problem is only that of everyone.
func told(problems []Problem, p Problem) bool {
	return slices.ContainsFunc(problems, func(q Problem) bool {
		return q.Key == p.Key && q.Value == p.Value && (q.Namespace == p.Namespace || q.Namespace == "") && q.Reason == p.Reason
	})
}
