"""Login through an OpenID Connect provider, and the sessions of the users who logged in.

Only `provider` imports Authlib, and only dashboards with `--auth oidc:FILE` import `provider`.
"""
