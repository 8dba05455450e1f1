"""Incidents and healthy situations, each with the findings that a listener must report, and no others."""
