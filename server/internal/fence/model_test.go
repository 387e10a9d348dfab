package fence

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// story is an old owner's write, a take-over, a write of the new owner, and another take-over.
func story(old, second Lock, fenceRow bool) Scenario {
	return Scenario{fenceRow, []*process{
		writer("old owner", 1, old), takeOver("take-over", 1, true), writer("second owner", 2, second), takeOver("next take-over", 2, true),
	}}
}

// every set of rules that a DSQL of the given documentation could have.
func variants(keyShare bool) []Rules {
	return []Rules{
		{ForUpdateChecked: true, KeyShareChecked: keyShare},
		{ForUpdateChecked: true, ForUpdateWrites: true, KeyShareChecked: keyShare},
	}
}

func TestForUpdateIsSafeUnderWhatIsDocumented(t *testing.T) {
	for _, fenceRow := range []bool{false, true} {
		for _, rules := range variants(false) {
			r := Explore(rules, story(ByForUpdate, ByForUpdate, fenceRow))
			require.Empty(t, r.Breach)
			requireEveryEnd(t, r)
		}
	}
}

func TestKeyShareIsSafeWhereItConflictsWithADelete(t *testing.T) {
	for _, fenceRow := range []bool{false, true} {
		for _, rules := range variants(true) {
			r := Explore(rules, story(ByKeyShare, ByKeyShare, fenceRow))
			require.Empty(t, r.Breach)
			requireEveryEnd(t, r)
		}
	}
}

func TestBothSettingsMayBeInUseAtOnce(t *testing.T) {
	for _, fenceRow := range []bool{false, true} {
		for _, rules := range variants(true) {
			require.Empty(t, Explore(rules, story(ByKeyShare, ByForUpdate, fenceRow)).Breach)
			require.Empty(t, Explore(rules, story(ByForUpdate, ByKeyShare, fenceRow)).Breach)
		}
	}
}

// requireEveryEnd holds that an exploration proved something: the old owner could commit and was kept out, and so was everyone.
func requireEveryEnd(t *testing.T, r Result) {
	t.Helper()
	require.Greater(t, r.Interleavings, 1_000)
	for _, name := range []string{"old owner", "second owner"} {
		for _, end := range []string{committed, refusedBySQL, fencedOff} {
			require.NotZero(t, r.Outcomes[name][end], "%s: %s in no interleaving", name, end)
		}
	}
	require.NotZero(t, r.Outcomes["next take-over"][committed])
}

func TestAPlainSelectIsUnsafe(t *testing.T) {
	r := Explore(Recorded, Scenario{true, []*process{writer("old owner", 1, PlainSelect), takeOver("take-over", 1, true)}})
	requireBreach(t, r,
		"old owner reads its range id",
		"take-over locks the shard", "take-over changes its range id", "take-over commit",
		"old owner commit", "old owner wrote under range 1, the shard is at 2")
}

func TestKeyShareIsUnsafeWhereItConflictsWithNothing(t *testing.T) {
	require.NotEmpty(t, Explore(Documented, story(ByKeyShare, ByKeyShare, true)).Breach)
	r := Explore(Documented, Scenario{true, []*process{writer("old owner", 1, ByKeyShare), takeOver("take-over", 1, true)}})
	requireBreach(t, r, "take-over commit", "old owner commit", "old owner wrote under range 1, the shard is at 2")
	// Without a fence row the shard's own row is locked: only the next owner, who has one, is unsafe.
	r = Explore(Documented, Scenario{false, []*process{writer("old owner", 1, ByKeyShare), takeOver("take-over", 1, true)}})
	require.Empty(t, r.Breach)
}

func TestForUpdateIsUnsafeWhereItIsNotChecked(t *testing.T) {
	require.NotEmpty(t, Explore(Rules{KeyShareChecked: true}, story(ByForUpdate, ByForUpdate, true)).Breach)
}

func TestATakeOverMustReplaceTheFence(t *testing.T) {
	r := Explore(Recorded, Scenario{true, []*process{writer("old owner", 1, ByKeyShare), takeOver("take-over", 1, false)}})
	requireBreach(t, r, "take-over commit", "old owner commit")
}

// TestAFenceRowMadeAloneIsUnsafe is why there is no backfill: the take-over does not see the row, so it does not delete it.
func TestAFenceRowMadeAloneIsUnsafe(t *testing.T) {
	backfill := func(locks bool) *process {
		return &process{name: "backfill", program: []step{
			{"inserts a fence row", func(p *process, s store) {
				p.begin(s)
				if locks {
					p.update[shardRow] = true
				}
				p.writes[fenceRow(p.snapshot[shardRow])] = p.snapshot[shardRow]
			}},
			{commitStep, nil},
		}}
	}
	with := func(locks bool) Result {
		return Explore(Recorded, Scenario{false, []*process{writer("old owner", 1, ByKeyShare), takeOver("take-over", 1, true), backfill(locks)}})
	}
	requireBreach(t, with(false), "take-over locks the shard", "backfill commit", "old owner reads its range id", "take-over commit", "old owner commit")
	require.Empty(t, with(true).Breach)
}

// TestWhatForUpdateCosts counts the conflicts of two writes of one owner that overlap. One of them is replayed.
func TestWhatForUpdateCosts(t *testing.T) {
	two := func(lock Lock, rules Rules) Result {
		return Explore(rules, Scenario{true, []*process{writer("first", 1, lock), writer("second", 1, lock)}})
	}
	forUpdate, keyShare := two(ByForUpdate, Documented), two(ByKeyShare, Recorded)
	require.Equal(t, 20, forUpdate.Interleavings)
	require.Equal(t, 18, forUpdate.NeedlessConflicts, "all but the two in which one ends before the other begins")
	require.Zero(t, keyShare.NeedlessConflicts)
	require.Zero(t, two(ByForUpdate, Rules{ForUpdateChecked: true}).NeedlessConflicts, "if rows read FOR UPDATE do not count as written")
}

// requireBreach holds that the steps are in the breach in this order.
func requireBreach(t *testing.T, r Result, steps ...string) {
	t.Helper()
	require.NotEmpty(t, r.Breach)
	t.Log(strings.Join(r.Breach, "\n"))
	at := 0
	for _, s := range steps {
		found := slices.Index(r.Breach[at:], s)
		require.GreaterOrEqual(t, found, 0, "%q is not next in %v", s, r.Breach)
		at += found + 1
	}
}

func TestParseKind(t *testing.T) {
	for text, want := range map[string]Kind{"": ForUpdate, "for-update": ForUpdate, "key-share": KeyShare} {
		got, err := ParseKind(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := ParseKind("share")
	require.EqualError(t, err, `the shard fence "share" is not one of: for-update, key-share`)
}
