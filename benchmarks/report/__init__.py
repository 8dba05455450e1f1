"""docs/explanation/benchmarks.md: the results of the sections, the JSON file that stores them, and the page."""
