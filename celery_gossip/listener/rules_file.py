"""Read the file with the settings of findings. Called before a listener is created; any thread."""

import sys
from pathlib import Path

from celery_gossip.diagnosis.rule_settings import RuleSettings, parse_rules
from celery_gossip.errors import InvalidOption

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["read_rules"]

_MAX_BYTES = 2**20


def read_rules(path: str | Path) -> RuleSettings:
    """Return the settings of findings in this TOML file; see docs/how-to/tune-findings.md.

    Raises InvalidOption if the file cannot be read, is not TOML, or contains an unknown name or an invalid value.
    """
    try:
        content = Path(path).read_bytes()
        if len(content) > _MAX_BYTES:
            raise InvalidOption(f"{path}: expected at most {_MAX_BYTES} bytes, got {len(content)}")
        tables = tomllib.loads(content.decode())
    except OSError as exc:
        raise InvalidOption(f"{path}: expected a file that can be read, got: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InvalidOption(f"{path}: expected TOML, got: {exc}") from exc
    return parse_rules(tables, str(path))
