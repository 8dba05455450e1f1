"""Views that send tasks."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from orders.tasks import confirm


@csrf_exempt  # so that curl can send an order; no cookie is used
@require_POST
def order(request: HttpRequest, order_id: int) -> JsonResponse:
    """Send the task that confirms this order."""
    return JsonResponse({"task": confirm.delay(order_id).id}, status=202)
