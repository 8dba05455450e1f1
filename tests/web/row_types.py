"""TypeScript declarations of rows and commands, built from the Structs that the server encodes and decodes."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_type_hints

import msgspec

from celery_gossip.control.activity import Activity
from celery_gossip.control.command import Command
from celery_gossip.web import response, schema

__all__ = ["row_types"]

_HEAD = """\
// Rows, commands and responses of the server, for the type check of the page. Not served and not part of the package.
// Written by `GOSSIP_TEST_ROWS=new python -m pytest tests/web/test_row_types.py` from celery_gossip/web/schema.py,
// response.py and celery_gossip/control.
"""
_SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def row_types() -> str:
    """Return the text of row.d.ts."""
    rows = [*(getattr(schema, name) for name in schema.__all__), Activity]
    commands = get_args(Command)
    sent = [
        *rows,
        response.OwnSession,
        response.Config,
        response.ControlReply,
        response.SessionRow,
        response.SessionList,
        response.Error,
        response.SearchResult,
    ]
    _, schemas = msgspec.json.schema_components((*sent, *commands), ref_template="{name}")
    parts = [_interface(schemas[one.__name__], one in commands) for one in (*sent, *commands)]
    parts.append(f"  type Command = {' | '.join(one.__name__ for one in commands)};")
    parts.append("\n".join(["  /** Name of a table → its row. */", "  interface Tables {", *_tables(), "  }"]))
    return f"{_HEAD}\ndeclare namespace Row {{\n" + "\n\n".join(parts) + "\n}\n"


def _interface(described: Mapping[str, Any], is_received: bool) -> str:
    """Return an interface. The server writes every field, but a command may lack those that have a default."""
    required = described["required"] if is_received and "required" in described else described["properties"]
    summary = described["description"].partition("\n")[0]
    lines = [f"  /** {summary} */", f"  interface {described['title']} {{"]
    for name, field in described["properties"].items():
        mark = "" if name in required else "?"
        lines.append(f"    readonly {name}{mark}: {_type(field)};{_comment(field)}")
    return "\n".join([*lines, "  }"])


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"])
    if "enum" in field:
        return " | ".join(f'"{value}"' for value in field["enum"])
    if "anyOf" in field:
        return " | ".join(map(_type, field["anyOf"]))
    if field["type"] == "array":
        return _array_type(field)
    if field["type"] == "object":
        return f"Readonly<Record<string, {_type(field['additionalProperties'])}>>"
    return _SIMPLE[field["type"]]


def _array_type(field: Mapping[str, Any]) -> str:
    if "prefixItems" in field:
        return f"readonly [{', '.join(map(_type, field['prefixItems']))}]"
    items = _type(field["items"])
    return f"readonly ({items})[]" if items.startswith("readonly ") else f"readonly {items}[]"


def _comment(field: Mapping[str, Any]) -> str:
    texts = [one["description"] for one in (field, *field.get("anyOf", ())) if "description" in one]
    return f" // {texts[0]}" if texts else ""


def _tables() -> Iterator[str]:
    """Yield the tables of all topics: they have the names that the API gives to the same rows."""
    tables: dict[str, str] = {}
    for name in response.__all__:
        for field, annotation in get_type_hints(getattr(response, name)).items():
            row = next(iter(get_args(annotation)), annotation)
            if isinstance(row, type) and row.__module__ in (schema.__name__, Activity.__module__):
                assert tables.setdefault(field, row.__name__) == row.__name__
    for field, row_name in sorted(tables.items()):
        yield f"    {field}: {row_name};"
