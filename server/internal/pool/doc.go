// Package pool keeps a number of connections to DSQL open and lends one for each use.
//
// database/sql never owns a connection: its driver.Conn is a ticket, which takes a connection of the pool when it is first used
// and gives it back when database/sql ends the use. So the pool can be warmed in order, kept full, expired with jitter and
// repaired without a caller waiting, and any number of *sql.DB can be opened and closed over it.
//
//   - ledger: where each connection is and who waits; takes events, returns decisions, knows no clock
//   - Pool, keeper: act on them
//   - ticket, fault: what database/sql sees, and what an error means for the connection
package pool
