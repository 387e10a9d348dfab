package main

import (
	"bytes"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	commonpb "go.temporal.io/api/common/v1"
)

// Buckets of the lateness of waits: from 10 µs on, eight for each doubling.
const (
	leastLate     = 10 * time.Microsecond
	eachDoubling  = 8
	latenessParts = 24 * eachDoubling
)

var sleepField = []byte(`"sleep_s":`)

// waits measures what workers make of activities: how many they hold, and how long after its wait each one is
// answered. auroral's activities say in their input how long they are to wait.
type waits struct {
	held, most, ended atomic.Int64
	late              [latenessParts]atomic.Int64
}

func (w *waits) begin() {
	held := w.held.Add(1)
	for most := w.most.Load(); held > most && !w.most.CompareAndSwap(most, held); most = w.most.Load() {
	}
}

// end is told of every attempt that is over; `answered` says that a worker has completed it.
func (w *waits) end(input *commonpb.Payloads, startedAt time.Time, answered bool) {
	w.held.Add(-1)
	if !answered {
		return
	}
	w.ended.Add(1)
	late := time.Since(startedAt) - asked(input)
	part := 0
	if late > leastLate {
		part = min(latenessParts-1, int(eachDoubling*math.Log2(float64(late)/float64(leastLate))))
	}
	w.late[part].Add(1)
}

// asked is the wait that an activity's input asks for.
func asked(input *commonpb.Payloads) time.Duration {
	if len(input.GetPayloads()) == 0 {
		return 0
	}
	_, after, found := bytes.Cut(input.Payloads[0].Data, sleepField)
	if !found {
		return 0
	}
	if end := bytes.IndexAny(after, ",}"); end >= 0 {
		after = after[:end]
	}
	sleepS, err := strconv.ParseFloat(string(bytes.TrimSpace(after)), 64)
	if err != nil {
		return 0
	}
	return time.Duration(sleepS * float64(time.Second))
}

// lateMS is a quantile of the lateness in milliseconds, within 9 %.
func (w *waits) lateMS(quantile float64) float64 {
	total := int64(0)
	for part := range w.late {
		total += w.late[part].Load()
	}
	wanted, seen := int64(math.Ceil(quantile*float64(total))), int64(0)
	for part := range w.late {
		if seen += w.late[part].Load(); seen >= wanted && total > 0 {
			return float64(leastLate.Microseconds()) / 1e3 * math.Exp2(float64(part+1)/eachDoubling)
		}
	}
	return 0
}
