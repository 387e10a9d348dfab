package main

import (
	"strconv"
	"strings"

	"go.temporal.io/api/serviceerror"
)

// token names a workflow or activity task: what a worker hands back with its answer.
type token struct {
	key       runKey
	run       string
	scheduled int64
	attempt   int32
}

func (t token) encode() []byte {
	made := make([]byte, 0, len(t.key.namespace)+len(t.key.id)+len(t.run)+24)
	made = append(append(made, t.key.namespace...), 0)
	made = append(append(made, t.key.id...), 0)
	made = append(append(made, t.run...), 0)
	made = append(strconv.AppendInt(made, t.scheduled, 10), 0)
	return strconv.AppendInt(made, int64(t.attempt), 10)
}

func decodeToken(given []byte) (token, error) {
	parts := strings.Split(string(given), "\x00")
	if len(parts) != 5 {
		return token{}, serviceerror.NewInvalidArgument("expected a task token of this server")
	}
	scheduled, scheduledErr := strconv.ParseInt(parts[3], 10, 64)
	attempt, attemptErr := strconv.ParseInt(parts[4], 10, 32)
	if scheduledErr != nil || attemptErr != nil {
		return token{}, serviceerror.NewInvalidArgument("expected a task token of this server")
	}
	return token{runKey{parts[0], parts[1]}, parts[2], scheduled, int32(attempt)}, nil
}
