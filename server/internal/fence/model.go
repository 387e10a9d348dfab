package fence

import (
	"fmt"
	"maps"
)

// The model is a tiny DSQL with one shard, and programs that run on it a step at a time. Explore tries every interleaving.

// Rules say what conflicts at a commit. Rows that both transactions wrote always do: the first to commit wins (Aurora DSQL user guide,
// "Concurrency control in Aurora DSQL").
type Rules struct {
	// ForUpdateChecked: a row read FOR UPDATE is checked at the commit against writes since the snapshot. Documented: user guide, same page,
	// and AWS Database Blog, "Concurrency control in Amazon Aurora DSQL" (write skew managed with SELECT FOR UPDATE).
	ForUpdateChecked bool
	// ForUpdateWrites: such a row also counts as written for those who commit later. Whether it does changes what writers cost each other and
	// must not change what is safe.
	ForUpdateWrites bool
	// KeyShareChecked: a row read FOR KEY SHARE is checked against a DELETE since the snapshot. Recorded by others (FOR KEY SHARE exists since
	// 25 August 2026), not documented.
	KeyShareChecked bool
}

// Documented is what AWS's documentation promises, and Recorded adds what was seen of KEY SHARE.
var (
	Documented = Rules{ForUpdateChecked: true, ForUpdateWrites: true}
	Recorded   = Rules{ForUpdateChecked: true, ForUpdateWrites: true, KeyShareChecked: true}
)

// The rows of the model. A fence row's key has its range id in it.
const shardRow = "shard"

func fenceRow(rangeID int) string { return fmt.Sprintf("fence %d", rangeID) }

// store is the committed state.
type store struct {
	rows    map[string]int // a row that is there, and its value
	written map[string]int // the commit that last wrote a row
	deleted map[string]int // the commit that last deleted it
	locked  map[string]int // the commit that last read it FOR UPDATE
	clock   int
}

func (s store) clone() store {
	return store{maps.Clone(s.rows), maps.Clone(s.written), maps.Clone(s.deleted), maps.Clone(s.locked), s.clock}
}

// process runs one program. Its fields are its transaction's, from begin to commit.
type process struct {
	name    string
	program []step
	at      int
	done    bool   // ended, committed or not
	outcome string // how

	owned    int // the range id under which it writes, or which it takes over; 0 for one that claims none
	start    int
	snapshot map[string]int
	writes   map[string]int
	deletes  map[string]bool
	update   map[string]bool // read FOR UPDATE
	share    map[string]bool // read FOR KEY SHARE
}

// step is one of a program: it reads the store, changes only its process, and may end it.
type step struct {
	name string
	do   func(p *process, s store)
}

func (p *process) end(outcome string) { p.done, p.outcome = true, outcome }

func (p *process) begin(s store) {
	p.start, p.snapshot = s.clock, maps.Clone(s.rows)
	p.writes, p.deletes = map[string]int{}, map[string]bool{}
	p.update, p.share = map[string]bool{}, map[string]bool{}
}

func (p *process) clone() *process {
	c := *p
	c.writes, c.deletes = maps.Clone(p.writes), maps.Clone(p.deletes)
	c.update, c.share = maps.Clone(p.update), maps.Clone(p.share)
	return &c
}

// conflicts is DSQL's check at the commit.
func (p *process) conflicts(s store, rules Rules) bool {
	since := func(commit int) bool { return commit > p.start }
	for row := range p.touched() {
		if since(s.written[row]) || since(s.deleted[row]) || rules.ForUpdateWrites && since(s.locked[row]) {
			return true
		}
	}
	for row := range p.update {
		if rules.ForUpdateChecked && (since(s.written[row]) || since(s.deleted[row])) || rules.ForUpdateWrites && since(s.locked[row]) {
			return true
		}
	}
	for row := range p.share {
		if rules.KeyShareChecked && since(s.deleted[row]) {
			return true
		}
	}
	return false
}

func (p *process) touched() map[string]bool {
	rows := maps.Clone(p.deletes)
	for row := range p.writes {
		rows[row] = true
	}
	return rows
}

func (p *process) apply(s *store) {
	s.clock++
	for row, value := range p.writes {
		s.rows[row], s.written[row] = value, s.clock
	}
	for row := range p.deletes {
		delete(s.rows, row)
		s.deleted[row] = s.clock
	}
	for row := range p.update {
		s.locked[row] = s.clock
	}
}

// Lock is how a writer of the model reads its range id. The fences are two of them; the plain SELECT is what must be found unsafe.
type Lock string

// The locks.
const (
	PlainSelect  Lock = "select"
	ByForUpdate       = Lock(ForUpdate)
	ByKeyShare        = Lock(KeyShare)
	commitStep        = "commit"
	fencedOff         = "ownership lost"
	refusedBySQL      = "conflict"
	committed         = "committed"
)

// writer writes an execution under its range id.
func writer(name string, owned int, lock Lock) *process {
	return &process{name: name, owned: owned, program: []step{
		{"reads its range id", func(p *process, s store) {
			p.begin(s)
			seen := p.snapshot[shardRow]
			switch lock {
			case ByForUpdate:
				p.update[shardRow] = true
			case ByKeyShare:
				if _, there := p.snapshot[fenceRow(seen)]; there {
					p.share[fenceRow(seen)] = true
				} else {
					p.update[shardRow] = true // as Kind.Read does
				}
			}
			if seen != p.owned {
				p.end(fencedOff)
			}
		}},
		{"writes", func(p *process, _ store) { p.writes["execution of "+p.name] = p.owned }},
		{commitStep, nil},
	}}
}

// takeOver moves the shard from one range to the next.
func takeOver(name string, owned int, replacesFence bool) *process {
	return &process{name: name, owned: owned, program: []step{
		{"locks the shard", func(p *process, s store) {
			p.begin(s)
			p.update[shardRow] = true
			if p.snapshot[shardRow] != p.owned {
				p.end(fencedOff)
			}
		}},
		{"changes its range id", func(p *process, _ store) {
			p.writes[shardRow] = p.owned + 1
			if !replacesFence {
				return
			}
			for row := range p.snapshot {
				if row != shardRow && row != fenceRow(p.owned+1) && row[:5] == "fence" {
					p.deletes[row] = true
				}
			}
			p.writes[fenceRow(p.owned+1)] = p.owned + 1
		}},
		{commitStep, nil},
	}}
}

// Scenario is who runs on the shard, which is at range 1 in the beginning.
type Scenario struct {
	FenceRow  bool // whether the shard has its fence row already
	processes []*process
}

// Result is what an exploration found.
type Result struct {
	Interleavings int
	// Breach is an interleaving in which a writer committed after its range was taken over, or empty.
	Breach []string
	// NeedlessConflicts counts the interleavings in which a writer was refused though its range was never taken over.
	NeedlessConflicts int
	// Outcomes counts, for each process, how it ended.
	Outcomes map[string]map[string]int
}

// Explore runs every interleaving of the scenario.
func Explore(rules Rules, scenario Scenario) Result {
	start := store{rows: map[string]int{shardRow: 1}, written: map[string]int{}, deleted: map[string]int{}, locked: map[string]int{}}
	if scenario.FenceRow {
		start.rows[fenceRow(1)] = 1
	}
	e := &explorer{rules: rules, result: Result{Outcomes: map[string]map[string]int{}}}
	for _, p := range scenario.processes {
		e.result.Outcomes[p.name] = map[string]int{}
	}
	e.explore(start, scenario.processes, nil)
	return e.result
}

type explorer struct {
	rules  Rules
	result Result
}

func (e *explorer) explore(s store, all []*process, path []string) {
	finished := true
	for i, p := range all {
		if p.done {
			continue
		}
		finished = false
		next, moved, state := append([]*process(nil), all...), p.clone(), s
		step := moved.program[moved.at]
		moved.at++
		told := append(path[:len(path):len(path)], p.name+" "+step.name)
		if step.do != nil {
			step.do(moved, s)
		} else if moved.conflicts(s, e.rules) {
			moved.end(refusedBySQL)
		} else {
			if current := s.rows[shardRow]; moved.owned != 0 && current != moved.owned && e.result.Breach == nil {
				e.result.Breach = append(told, fmt.Sprintf("%s wrote under range %d, the shard is at %d", p.name, moved.owned, current))
			}
			state = s.clone()
			moved.apply(&state)
			moved.end(committed)
		}
		next[i] = moved
		e.explore(state, next, told)
	}
	if finished {
		e.finish(s, all)
	}
}

func (e *explorer) finish(s store, all []*process) {
	e.result.Interleavings++
	needless := false
	for _, p := range all {
		e.result.Outcomes[p.name][p.outcome]++
		needless = needless || p.outcome == refusedBySQL && p.owned == s.rows[shardRow]
	}
	if needless {
		e.result.NeedlessConflicts++
	}
}
