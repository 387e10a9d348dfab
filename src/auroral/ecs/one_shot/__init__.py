"""One-shot tasks of the cluster: what reaches inside the network runs here or there."""
