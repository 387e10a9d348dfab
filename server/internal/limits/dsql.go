package limits

// What DSQL holds (Aurora DSQL's quotas page, November 2026). None of these can be raised.
const (
	columnBytes      = 1 << 20  // one column
	keyBytes         = 1 << 10  // all columns of a key together
	transactionBytes = 10 << 20 // modified in one transaction
	transactionRows  = 3000     // modified in one transaction
)

// Room left for what no limit of Temporal counts.
const (
	eventOverheadBytes     = 16 << 10 // an event's identifiers, headers and failure, beside its payload
	executionOverheadBytes = 32 << 10 // the fixed fields of one execution's information
	updateOverheadBytes    = 64       // one workflow update's record, beside its id
	operationOverheadBytes = 1 << 10  // one Nexus operation's record, beside its token
	stateHeadroomBytes     = 2 << 20  // the first state of a continued run, written in the same transaction
	rowsOverhead           = 100      // the execution itself, its timers and tasks
)

// The identifiers that keys hold. The DSQL schema keeps UUIDs as text and other bytes as hexadecimal text.
const (
	uuidTextBytes = 36
	hexFactor     = 2
	columnChars   = 255 // VARCHAR(255), as in Temporal's own PostgreSQL schema

	// One row of tasks_v2 is found by range_hash, task_queue_id, pass and task_id.
	taskKeyNumbersBytes = 3 * 8
	// task_queue_id is a namespace's 16 bytes, the partition's name, the type, and the subqueue as a varint
	// (common/persistence/sql/task_util.go).
	taskQueueFixedBytes = 16 + 1 + 3
	// The name is "/_sys/", the queue, "/", the version, a delimiter, and a partition of up to four digits
	// (service/matching/physical_task_queue_key.go).
	partitionFixedBytes = 6 + 1 + 1 + 4

	// A deployment's name and its build id may each have (limit.maxIDLength - 39) / 2 bytes
	// (common/worker_versioning: WorkerDeploymentVersionWorkflowIDInitialSize). Both stand in the name as base64.
	deploymentPrefixBytes = 39
)

// taskQueueRoomBytes is the room for a queue's name and its version, both before hexadecimal text doubles them.
const taskQueueRoomBytes = (keyBytes-taskKeyNumbersBytes)/hexFactor - taskQueueFixedBytes - partitionFixedBytes

// keyBytesOfIDs gives the bytes of the two longest keys that identifiers of this length make.
func keyBytesOfIDs(idBytes int) (timer, queue int) {
	timer = 4 + 2*uuidTextBytes + 2*idBytes // timer_info_maps: shard, namespace, workflow id, run, timer id
	part := max(0, (idBytes-deploymentPrefixBytes)/2)
	version := 2*rawBase64Bytes(part) + 1 // "<deployment>|<build id>"
	name := taskQueueFixedBytes + partitionFixedBytes + idBytes + version
	return timer, taskKeyNumbersBytes + hexFactor*name
}

// largestIDLength is the longest identifier whose keys and columns DSQL holds: 222 bytes.
func largestIDLength() int {
	for idBytes := columnChars; idBytes > 0; idBytes-- {
		if timer, queue := keyBytesOfIDs(idBytes); max(timer, queue) <= keyBytes {
			return idBytes
		}
	}
	return 0
}

// largestBuildID is the longest build id of the older versioning, where the queue's name holds it alone, as padded base64.
func largestBuildID(idBytes int) int { return max(0, (taskQueueRoomBytes-idBytes)/4*3) }

func rawBase64Bytes(n int) int { return (4*n + 2) / 3 }
