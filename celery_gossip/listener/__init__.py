"""Receives the reports of all workers on a thread of its own and keeps a Cluster and a Diagnosis up to date."""
