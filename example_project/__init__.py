"""Example project, a small shop: `celery -A example_project worker`."""

from example_project.celery import app

__all__ = ["app"]
