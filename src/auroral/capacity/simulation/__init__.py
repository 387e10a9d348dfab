"""A discrete-event simulation of every process's pool and limiters against a model of Aurora DSQL."""
