"""A Django project whose Celery workers report, with the dashboard in its ASGI application."""

from shop.celery import app as celery_app

__all__ = ["celery_app"]
