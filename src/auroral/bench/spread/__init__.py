"""A run over several machines: generators that Temporal itself hands their parts and hears from."""
