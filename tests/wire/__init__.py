"""Bytes as workers of former commits really published them, a folder per commit; capture.py took them."""
