"""Services started, stopped, scaled and rolled, in waves inside DSQL's connection budget."""
