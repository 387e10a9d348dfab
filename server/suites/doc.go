// Package suites runs Temporal's public persistence suites against the dsql plugin on the double of DSQL, and, as a
// control, against the stock plugin on PostgreSQL. Its tests carry the build tag `live`; pytest starts what they need.
package suites
