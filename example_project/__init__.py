"""A small shop, used like a real project: `celery -A example_project worker`."""

from example_project.celery import app

__all__ = ["app"]
