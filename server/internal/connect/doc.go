// Package connect opens connections to DSQL: it waits for the limiters, signs an IAM token, dials with verified TLS and says why an opening failed.
//
// The order is: the start delay (once in a process), the local token bucket, the counter per second in DynamoDB where there is one, the token,
// the dial. The token comes after the waits, so that it cannot age in them; it is cached, so that this costs nothing.
//
// # When the table of the counter is unreachable or throttled
//
// An opening then goes on under the local bucket alone, is counted and logged. The alternative, to open nothing, would turn an outage of DynamoDB
// into one of Temporal: after an hour at most, every session has ended. Going on is safe where the local rates and bursts of all processes add
// up to no more than DSQL's 100 a second and 1,000, which is how the presets divide them; with larger ones DSQL itself refuses
// (53400), and the keeper's back-off spreads what follows. So that an outage does not add its time-out to each opening, the table is left alone for 5 s
// after a failure, longer after further ones (60 s at most, × 50–150 %), and then tried by one opening at a time.
package connect
