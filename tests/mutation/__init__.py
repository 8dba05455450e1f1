"""Mutation testing: inserts one small mistake at a time into the pure modules, and checks that a test fails.

See docs/explanation/mutation.md.
"""
