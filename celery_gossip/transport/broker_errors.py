"""Classify errors of a broker: does it refuse, or can it not be reached? Pure; called on any thread."""

__all__ = ["is_amqp_refusal", "is_login_failure", "is_permission_denied"]

_FORBIDDEN = 403  #: reply code of AMQP
_REFUSALS = (_FORBIDDEN, 404, 405, 406, 530)  #: reply codes of AMQP
# Compared by name, because redis-py need not be installed.
_REDIS_PERMISSION_ERROR = "NoPermissionError"
_REDIS_LOGIN_ERROR = "AuthenticationError"  #: a subclass of redis-py's ConnectionError


def is_amqp_refusal(exc: Exception) -> bool:
    """Return True if RabbitMQ refused (permissions, an exchange of another type), so that retries must be rare.

    False for Redis: a refusal costs it no more than a publish, so retries may be frequent.
    """
    return getattr(exc, "reply_code", None) in _REFUSALS


def is_permission_denied(exc: Exception) -> bool:
    """Return True if the broker refused because this user lacks a permission."""
    return getattr(exc, "reply_code", None) == _FORBIDDEN or type(exc).__name__ == _REDIS_PERMISSION_ERROR


def is_login_failure(exc: Exception) -> bool:
    """Return True if Redis refused the user or the password."""
    return any(kind.__name__ == _REDIS_LOGIN_ERROR for kind in type(exc).__mro__)
