// Package schema derives Temporal's schema for Aurora DSQL from the PostgreSQL schema inside the Temporal module, and keeps it
// in a database: set up, update, status and roles.
//
// What is pure and what acts:
//
//	statement.go         what a statement is; write.go writes one as SQL
//	token.go, parse.go   SQL text → statements, only the forms that Temporal's schema uses
//	rules.go             statements for PostgreSQL → statements for DSQL, each rule a function
//	source.go            the schema embedded in the Temporal module, by version
//	plan.go              statements → the steps of a set-up or an update
//	shape.go             statements → the tables, columns and indexes they make, and the difference of two such
//	roles.go             the database roles and their grants
//	catalog.go           acts: reads the shape, roles and grants of a database
//	runner.go            acts: runs a plan, resumes one, waits for indexes
//	journal.go           acts: what was done, as the database remembers it
//	status.go            acts: what is missing
package schema
