"""A seeded random workload on real workers, whose counts must equal what the tasks recorded."""
