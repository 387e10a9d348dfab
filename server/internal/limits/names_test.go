package limits

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
)

// partitionName builds what service/matching's PhysicalTaskQueueKey.PersistenceName builds for a deployment's version.
func partitionName(queue, deployment, buildID string, partition int) string {
	encode := base64.RawURLEncoding.EncodeToString
	return "/_sys/" + queue + "/" + encode([]byte(deployment)) + "|" + encode([]byte(buildID)) + "#" + strconv.Itoa(partition)
}

// taskQueueID builds what common/persistence/sql's taskQueueId builds.
func taskQueueID(name string, subqueue int) []byte {
	id := append(make([]byte, 16), name...)
	id = append(id, 0x81)
	return binary.AppendUvarint(id, uint64(subqueue))
}
