"""Faults around a worker or a listener, each with its target: `make faults` measures, `make test` runs a short form."""
