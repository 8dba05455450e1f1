"""Routes of logins and sessions, as a part of the route table."""

from starlette.responses import Response

from celery_gossip.web.login.handler import Login
from celery_gossip.web.login.page import HTML
from celery_gossip.web.operation import Access, Operation
from celery_gossip.web.parameter import (
    LOGIN_CODE,
    LOGIN_ERROR,
    LOGIN_ISSUER,
    LOGIN_STATE,
    LOGIN_TARGET,
    SESSION_TOKEN,
)
from celery_gossip.web.response import SessionCommand, SessionList
from celery_gossip.web.static import MEDIA_TYPES, Assets

__all__ = ["login_operations"]

_OFF = {404: "Logins are off: the dashboard runs without --auth oidc:FILE."}
_PROVIDER_ERRORS = {
    502: "The provider cannot be reached, or does not respond as expected.",
    503: "Too many logins wait for the provider.",
}
_SESSION_ERRORS = {
    403: "The user has no session, or the token is not that of the session.",
    404: "Logins are off, or no session that the user may end has this id.",
}


def login_operations(login: Login, assets: Assets) -> list[Operation]:
    """Return the operations; without logins their handlers refuse every request."""
    return [*_page_operations(login, assets), *_session_operations(login)]


def _page_operations(login: Login, assets: Assets) -> list[Operation]:
    return [
        Operation(
            method="GET",
            path="/login",
            handler=login.start,
            summary="Log in: a redirect to the OpenID Connect provider",
            result=Response,
            tag="login",
            media_types=(HTML,),
            status=303,
            parameters=(LOGIN_TARGET,),
            errors={**_OFF, **_PROVIDER_ERRORS},
            error_media_type=HTML,
            access=Access.PUBLIC,
        ),
        Operation(
            method="GET",
            path="/login/callback",
            handler=login.finish,
            summary="The response of the provider: starts a session",
            result=Response,
            tag="login",
            media_types=(HTML,),
            status=303,
            parameters=(LOGIN_CODE, LOGIN_STATE, LOGIN_ISSUER, LOGIN_ERROR),
            errors={
                400: "The login is not of this browser, has expired, or the ID token is not valid.",
                403: "The provider or the options of the dashboard do not admit the user.",
                429: "Too many logins from this address failed; see the header Retry-After.",
                **_OFF,
                **_PROVIDER_ERRORS,
            },
            error_media_type=HTML,
            access=Access.PUBLIC,
        ),
        Operation(
            method="GET",
            path="/logged-out",
            handler=login.logged_out,
            summary="The page after a logout",
            result=Response,
            tag="login",
            media_types=(HTML,),
            errors=_OFF,
            error_media_type=HTML,
            access=Access.PUBLIC,
        ),
        Operation(
            method="GET",
            path="/login/style.css",
            handler=assets.login_style,
            summary="The style of these pages",
            result=Response,
            tag="login",
            media_types=(MEDIA_TYPES["css"],),
            access=Access.PUBLIC,
        ),
    ]


def _session_operations(login: Login) -> list[Operation]:
    return [
        Operation(
            method="GET",
            path="/api/sessions",
            handler=login.sessions,
            summary="The sessions of the user, for an admin those of all users",
            result=SessionList,
            tag="login",
            errors=_SESSION_ERRORS,
        ),
        Operation(
            method="POST",
            path="/api/sessions/end",
            handler=login.end_session,
            summary="End a session; returns the others",
            result=SessionList,
            tag="login",
            parameters=(SESSION_TOKEN,),
            body=SessionCommand,
            errors=_SESSION_ERRORS,
        ),
        Operation(
            method="POST",
            path="/api/logout",
            handler=login.log_out,
            summary="End the session of this request",
            result=SessionList,
            tag="login",
            parameters=(SESSION_TOKEN,),
            errors=_SESSION_ERRORS,
        ),
    ]
