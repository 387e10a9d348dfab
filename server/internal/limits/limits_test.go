package limits

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/dynamicconfig"
	"pgregory.net/rapid"

	// Their packages register the keys that the server knows.
	_ "go.temporal.io/server/temporal"
)

const shippedFile = "../../../images/server/dynamicconfig/dsql.yaml"

func load(t require.TestingT, text string) dynamicconfig.ConfigValueMap {
	loaded := dynamicconfig.LoadYamlFile([]byte(text))
	require.Empty(t, loaded.Errors)
	return loaded.Map
}

func readShipped(t *testing.T) string {
	text, err := os.ReadFile(shippedFile)
	require.NoError(t, err)
	return string(text)
}

func keysOf(problems []Problem) (keys []string) {
	for _, p := range problems {
		keys = append(keys, p.Key)
	}
	return keys
}

func TestTemporalsOwnDefaultsAreRefusedAllAtOnce(t *testing.T) {
	problems := Check(nil)
	require.Subset(t, keysOf(problems), []string{
		"limit.blobSize.error", "limit.memoSize.error", "system.transactionSizeLimit", "limit.maxIDLength", "limit.workerBuildIdSize",
		"history.maximumBufferedEventsSizeInBytes", "limit.numPendingActivities.error", "limit.numPendingChildExecutions.error",
		"limit.numPendingSignals.error", "limit.numPendingCancelRequests.error", "history.maximumSignalsPerExecution",
	})
	require.NotContains(t, keysOf(problems), "limit.mutableStateSize.error")
}

func TestTheLinesPutTheDefaultsRight(t *testing.T) {
	lines := Lines(Check(nil))
	require.Empty(t, Check(load(t, lines)), lines)
	require.Contains(t, Text(Check(nil)), lines)
}

func TestTheShippedFileIsKnownToTheServerAndHoldsEveryRule(t *testing.T) {
	loaded := dynamicconfig.LoadYamlFile([]byte(readShipped(t)))
	require.Empty(t, loaded.Errors)
	require.Empty(t, loaded.Warnings, "unregistered keys and values of the wrong type are warnings")
	require.Greater(t, len(loaded.Map), 30)
	require.Empty(t, Check(loaded.Map))
	for _, l := range all {
		require.Equal(t, shipped[l.name], valueOf(loaded.Map, l, ""), l.name)
	}
}

func TestEveryKeyOfTheShippedFileHasAReason(t *testing.T) {
	explained := false
	for _, line := range strings.Split(readShipped(t), "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
			explained = true
		case line == "":
			explained = false
		case !strings.HasPrefix(line, " "):
			require.True(t, explained, line)
		}
	}
}

func TestAMisspeltKeyAndAValueOfTheWrongTypeAreSeen(t *testing.T) {
	for _, text := range []string{
		"limit.blobSise.error:\n  - value: 1\n",
		"frontend.rps:\n  - value: fast\n",
		"frontend.shutdownDrainDuration:\n  - value: soon\n",
		"system.enableStickyQuery:\n  - value: 7\n",
	} {
		require.NotEmpty(t, dynamicconfig.LoadYamlFile([]byte(text)).Warnings, text)
	}
}

func TestOneNamespacesValueIsBlamedThere(t *testing.T) {
	text := readShipped(t)
	text = strings.Replace(text, "limit.blobSize.error:\n", "limit.blobSize.error:\n  - value: 2097152\n    constraints:\n      namespace: big\n", 1)
	problems := Check(load(t, text))
	require.NotEmpty(t, problems)
	for _, p := range problems {
		require.Equal(t, "big", p.Namespace)
		require.Equal(t, "limit.blobSize.error", p.Key)
		require.Equal(t, 2097152, p.Value)
	}
	require.Contains(t, Lines(problems), "    constraints:\n      namespace: \"big\"\n")
}

func TestASplitOfOnesOwnIsTakenIfTheSumHolds(t *testing.T) {
	text := readShipped(t)
	text = strings.Replace(text, "limit.numPendingActivities.error:\n  - value: 800", "limit.numPendingActivities.error:\n  - value: 1200", 1)
	require.Equal(t, []string{"limit.numPendingActivities.error"}, keysOf(Check(load(t, text))))
	text = strings.Replace(text, "limit.numPendingChildExecutions.error:\n  - value: 400", "limit.numPendingChildExecutions.error:\n  - value: 0", 1)
	require.Empty(t, Check(load(t, text)))
}

func TestALowerBatchLimitLowersThePayload(t *testing.T) {
	text := strings.Replace(readShipped(t), "value: 1000000", "value: 500000", 1)
	problems := Check(load(t, text))
	require.Contains(t, keysOf(problems), "limit.blobSize.error")
	smallest := map[string]int{}
	for _, p := range problems {
		require.Less(t, p.Largest, 500000)
		if at, seen := smallest[p.Key]; !seen || p.Largest < at {
			smallest[p.Key] = p.Largest
		}
	}
	overridden := text
	for key, value := range smallest {
		overridden = strings.Replace(overridden, fmt.Sprintf("%s:\n  - value: %d", key, shipped[key]), fmt.Sprintf("%s:\n  - value: %d", key, value), 1)
	}
	require.Empty(t, Check(load(t, overridden)))
}

func TestANumberThatIsNoneIsAProblem(t *testing.T) {
	problems := Check(load(t, "limit.blobSize.error:\n  - value: 1MB\n"))
	require.Len(t, problems, 1)
	require.Contains(t, problems[0].Reason, `"1MB"`)
}

func TestTheLargestIdentifier(t *testing.T) {
	require.Equal(t, 222, largestIDLength())
	timer, queue := keyBytesOfIDs(222)
	require.LessOrEqual(t, timer, keyBytes)
	require.LessOrEqual(t, queue, keyBytes)
	_, above := keyBytesOfIDs(223)
	require.Greater(t, above, keyBytes)
	require.Contains(t, Explain(), "222 bytes")
}

// The arithmetic of keyBytesOfIDs against names built as the server builds them.
func TestKeysOfRealNamesStayWithinTheArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		idBytes := rapid.IntRange(40, columnChars).Draw(t, "idBytes")
		part := (idBytes - deploymentPrefixBytes) / 2
		queue := strings.Repeat("q", idBytes)
		name := partitionName(queue, strings.Repeat("d", part), strings.Repeat("b", part), rapid.IntRange(1, 9999).Draw(t, "partition"))
		id := taskQueueID(name, rapid.IntRange(0, 65535).Draw(t, "subqueue"))
		_, bound := keyBytesOfIDs(idBytes)
		require.LessOrEqual(t, taskKeyNumbersBytes+hexFactor*len(id), bound)
	})
}

func TestAccept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		for _, l := range all {
			if rapid.Bool().Draw(t, "set "+l.name) {
				fmt.Fprintf(&text, "%s:\n  - value: %d\n", l.name, rapid.IntRange(0, 3*shipped[l.name]).Draw(t, l.name))
			}
		}
		values := load(t, text.String())
		if len(Check(values)) > 0 {
			return
		}
		of := func(l limit) int { return valueOf(values, l, "") }
		start := of(blob) + of(memo) + of(attributes)
		rows := of(pending[0]) + of(pending[1]) + of(pending[2]) + of(pending[3])
		if start > columnBytes || of(batch) > columnBytes || 2*rows > transactionRows || of(signals) > transactionRows || of(idLength) > 222 || of(state) > transactionBytes {
			t.Fatalf("accepted: %s", text.String())
		}
	})
}
