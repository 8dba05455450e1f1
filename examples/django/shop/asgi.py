"""ASGI application: the dashboard under /gossip for members of staff, Django for everything else."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.core.asgi import get_asgi_application
from starlette.applications import Starlette
from starlette.routing import Mount

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django_application = get_asgi_application()  # loads the apps, so it comes before imports of models

from django.conf import settings  # noqa: E402

from celery_gossip import Listener  # noqa: E402
from celery_gossip.web import Dashboard, WebOptions  # noqa: E402
from shop.celery import app as celery_app  # noqa: E402
from shop.staff import StaffOnly  # noqa: E402

# One listener for each server process; it starts with the first request to the dashboard.
dashboard = Dashboard([Listener(celery_app)], WebOptions(hosts=tuple(settings.ALLOWED_HOSTS)))


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Close the listener when the server stops."""
    yield
    await dashboard.shutdown()


application = Starlette(
    routes=[Mount("/gossip", StaffOnly(dashboard)), Mount("/", django_application)],
    lifespan=lifespan,
)
