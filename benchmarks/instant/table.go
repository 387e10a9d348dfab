package main

import (
	"hash/maphash"
	"sort"
	"sync"
	"sync/atomic"
)

const shards = 64

type runKey struct {
	namespace, id string
}

// table holds the executions: by workflow id the latest of each, and the closed ones by the order of their closing.
// What is beyond its bounds is forgotten, the oldest first: histories earlier than executions.
type table struct {
	seed    maphash.Seed
	parts   [shards]part
	started atomic.Int64
	closed  atomic.Int64

	mu        sync.Mutex
	order     []*run // closed; order[0] is the `forgotten`-th
	forgotten int
	bare      int // runs that have closed and lost their histories, forgotten ones included
	events    int // of the closed runs that have their histories
	keep      int
	keepEvent int
}

type part struct {
	mu   sync.RWMutex
	runs map[runKey]*run
}

func newTable(keep, events int) *table {
	made := &table{seed: maphash.MakeSeed(), keep: keep, keepEvent: events}
	for index := range made.parts {
		made.parts[index].runs = map[runKey]*run{}
	}
	return made
}

func (t *table) part(key runKey) *part {
	return &t.parts[maphash.String(t.seed, key.id)%shards]
}

func (t *table) get(key runKey) *run {
	part := t.part(key)
	part.mu.RLock()
	defer part.mu.RUnlock()
	return part.runs[key]
}

// insert adds a run unless `refused` says of the one with the same id that it is in the way; it returns that one.
func (t *table) insert(made *run, refused func(before *run) bool) *run {
	part := t.part(made.key)
	part.mu.Lock()
	defer part.mu.Unlock()
	if before := part.runs[made.key]; before != nil && refused(before) {
		return before
	}
	part.runs[made.key] = made
	made.number = t.started.Add(1)
	return nil
}

// retire files a run that has closed, and forgets what is beyond the bounds. No run's lock is held.
func (t *table) retire(closed *run) {
	t.closed.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.order = append(t.order, closed)
	t.events += len(closed.events)
	for t.events > t.keepEvent && t.bare < t.forgotten+len(t.order)-1 {
		oldest := t.order[t.bare-t.forgotten]
		t.bare++
		t.events -= oldest.forgetHistory()
	}
	if len(t.order) <= t.keep {
		return
	}
	gone := t.order[0]
	t.order[0] = nil
	t.order = t.order[1:]
	if t.forgotten++; t.bare < t.forgotten {
		t.bare = t.forgotten
		t.events -= gone.forgetHistory()
	}
	part := t.part(gone.key)
	part.mu.Lock()
	if part.runs[gone.key] == gone {
		delete(part.runs, gone.key)
	}
	part.mu.Unlock()
}

// closedBefore returns up to `most` closed runs, the latest first, that are older than number `before` in the order
// of closing (negative: from the latest), and the number of the last one returned.
func (t *table) closedBefore(before, most int) ([]*run, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if end := t.forgotten + len(t.order); before < 0 || before > end {
		before = end
	}
	found := []*run{}
	for before > t.forgotten && len(found) < most {
		before--
		found = append(found, t.order[before-t.forgotten])
	}
	return found, before
}

// openRuns returns the open runs, the latest first.
func (t *table) openRuns() []*run {
	found := []*run{}
	for index := range t.parts {
		part := &t.parts[index]
		part.mu.RLock()
		for _, one := range part.runs {
			if !one.isClosed.Load() {
				found = append(found, one)
			}
		}
		part.mu.RUnlock()
	}
	sort.Slice(found, func(left, right int) bool { return found[left].number > found[right].number })
	return found
}

func (t *table) open() int {
	return int(t.started.Load() - t.closed.Load())
}
