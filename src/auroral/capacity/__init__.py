"""What it takes to run a rate of workflows on Aurora DSQL: sizes, connection budget, cost, simulation."""
