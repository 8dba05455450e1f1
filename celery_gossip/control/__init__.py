"""Commands to workers through Celery's remote control: permissions, checks, sending, and the log of their outcome.

Both dashboards send the same commands. The Celery app and the functions that reach its broker are passed in.
"""
