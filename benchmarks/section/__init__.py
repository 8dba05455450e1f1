"""Sections of docs/explanation/benchmarks.md, a module each."""
