package limits

import "fmt"

// shipped are the values of images/server/dynamicconfig/dsql.yaml: a set that keeps every rule. A test compares both.
var shipped = map[string]int{
	blob.name:        640 << 10,
	memo.name:        128 << 10,
	attributes.name:  40 << 10,
	batch.name:       1_000_000,
	buffered.name:    256 << 10,
	state.name:       8 << 20,
	updates.name:     2000,
	operations.name:  30,
	tokenLength.name: 4096,
	idLength.name:    largestIDLength(),
	buildID.name:     180,
	signals.name:     2500,
	pending[0].name:  800,
	pending[1].name:  400,
	pending[2].name:  120,
	pending[3].name:  120,
}

// rules gives every rule; `of` is needed where one limit's value stands in another's bound.
func rules(of func(limit) int) []rule {
	one := func(l limit) []term { return []term{{l, 1}} }
	var twice []term
	for _, l := range pending {
		twice = append(twice, term{l, 2})
	}
	return []rule{
		{
			terms: one(batch), most: columnBytes,
			reason: "one batch of events is one column: %d bytes of at most %d",
		},
		{
			terms: []term{{blob, 1}, {memo, 1}, {attributes, 1}}, fixed: eventOverheadBytes, most: min(of(batch), columnBytes),
			reason: "a start's payload, memo and search attributes are one event, written in one column: %d bytes of at most %d",
		},
		{
			terms: []term{{blob, 1}, {buffered, 1}}, fixed: eventOverheadBytes, most: min(of(batch), columnBytes),
			reason: "buffered events and the one that overflows the buffer become one batch: %d bytes of at most %d",
		},
		{
			terms: []term{{memo, 1}, {attributes, 1}, {updates, min(of(idLength), largestIDLength()) + updateOverheadBytes}, {operations, of(tokenLength) + operationOverheadBytes}},
			fixed: executionOverheadBytes, most: columnBytes,
			reason: "memo, search attributes, updates and Nexus operations of a workflow are one column (executions.data): %d bytes of at most %d",
		},
		{
			terms: one(state), fixed: stateHeadroomBytes, most: transactionBytes,
			reason: "a workflow's whole state can be written in one transaction: %d bytes, with room for a continued run, of at most %d",
		},
		{
			terms: one(idLength), most: largestIDLength(),
			reason: "identifiers stand in VARCHAR(255) columns and in keys of at most 1024 bytes, where the id of a task queue with its version doubles as hexadecimal text: %d bytes of at most %d",
		},
		{
			terms: one(buildID), most: min(columnChars, largestBuildID(min(of(idLength), largestIDLength()))),
			reason: "a build id stands in a task queue's key, as base64 within hexadecimal text: %d bytes of at most %d",
		},
		{
			terms: twice, fixed: rowsOverhead, most: transactionRows,
			reason: "one workflow task can start all of these, and each is two rows, itself and its task, in one transaction: %d rows of at most %d",
		},
		{
			terms: one(signals), fixed: rowsOverhead, most: transactionRows,
			reason: "a reset writes the ids of a workflow's signals in one transaction: %d rows of at most %d",
		},
	}
}

// Explain tells how the largest identifier is found, for the documentation.
func Explain() string {
	idBytes := largestIDLength()
	timer, queue := keyBytesOfIDs(idBytes)
	_, above := keyBytesOfIDs(idBytes + 1)
	return fmt.Sprintf("identifiers of %d bytes make a timer's key of %d bytes and a task's key of %d of at most %d; %d would make it %d",
		idBytes, timer, queue, keyBytes, idBytes+1, above)
}
