"""URLs: the admin site, for logging in, and orders. The dashboard is mounted in shop/asgi.py."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from orders.views import order

urlpatterns = [
    path("admin/", admin.site.urls),
    path("gossip", RedirectView.as_view(url="/gossip/")),  # the page needs the slash for its relative addresses
    path("orders/<int:order_id>/", order),
]
