"""Parameters of the API's operations. Pure."""

from typing import Annotated, Literal

from msgspec import Meta

from celery_gossip.cluster.scaling import MAX_TARGET
from celery_gossip.cluster.task_search import MIN_PREFIX
from celery_gossip.web.broadcaster import MAX_TOPICS
from celery_gossip.web.matrix import GROUPINGS, Grouping
from celery_gossip.web.operation import Parameter
from celery_gossip.web.subject import MAX_WINDOW
from celery_gossip.web.topic import CHART_PATTERN, LISTS, MAX_TOPIC_LENGTH, TOPIC_PATTERN, Subject, parse_topic
from celery_gossip.wire.messages import MAX_NAME

__all__ = [
    "ACTIVITY",
    "CHART_SUBJECT",
    "CSRF_TOKEN",
    "EXACT",
    "FILE",
    "GROUPING",
    "LAST_EVENT_ID",
    "LOGIN_CODE",
    "LOGIN_ERROR",
    "LOGIN_ISSUER",
    "LOGIN_STATE",
    "LOGIN_TARGET",
    "METRICS_SOURCE",
    "MIN_AGE",
    "NAME",
    "NAME_IN_QUERY",
    "PAGE",
    "PREVIEW",
    "QUEUE",
    "QUEUE_PART",
    "SEARCH_TEXT",
    "SESSION_TOKEN",
    "SLOTS",
    "SOURCE",
    "SOURCE_IN_QUERY",
    "STATIC_VERSION",
    "TARGET_SECONDS",
    "TASK",
    "TASK_PART",
    "TASK_STATE",
    "TOPICS",
    "WINDOW",
    "WORKER",
    "WORKER_PART",
]

_CHART_TOPICS = "queue:SOURCE/NAME, worker:SOURCE/NAME, task:SOURCE/NAME, pace:SOURCE, or pace: for all sources"
_ChartTopic = Annotated[str, Meta(max_length=MAX_TOPIC_LENGTH, pattern=f"^({CHART_PATTERN})$")]
_ProviderText = Annotated[str, Meta(max_length=4_096)]
_Topic = Annotated[str, Meta(max_length=MAX_TOPIC_LENGTH, pattern=f"^({TOPIC_PATTERN})$")]


def _check_topics(topics: list[str]) -> list[str]:
    """Return the topics. Raises ValueError for one with a line break at its end, which `$` in a pattern matches."""
    for topic in topics:
        parse_topic(topic)
    return topics


SOURCE = Parameter[str](name="source", location="path", type=str, expected="the number of a watched app, from 0")
NAME = Parameter[str](name="name", location="path", type=str, expected="the name; empty if it is in the query")
NAME_IN_QUERY = Parameter[str](
    name="name",
    location="query",
    type=str,
    expected='the name, for names that a path cannot end with: "." and ".."',
    default="",
)
GROUPING = Parameter[Grouping](
    name="group",
    location="query",
    type=Grouping,
    expected=f"one of {', '.join(GROUPINGS)}: what a row is",
    default="queues",
)
TASK = Parameter[str](name="task", location="query", type=str, expected="the id or the name of a task", default="")
QUEUE = Parameter[str](name="queue", location="query", type=str, expected="the name of a queue", default="")
WORKER = Parameter[str](name="worker", location="query", type=str, expected="the hostname of a worker", default="")
_Part = Annotated[str, Meta(max_length=MAX_NAME)]
SOURCE_IN_QUERY = Parameter[str](
    name="source", location="query", type=_Part, expected="the number of a watched app; empty for all", default=""
)
TASK_STATE = Parameter[str](
    name="state",
    location="query",
    type=Literal["", "running", "reserved", "scheduled", "limited"],
    expected="running, reserved, scheduled or limited; empty for all",
    default="",
)
TASK_PART = Parameter[str](
    name="task",
    location="query",
    type=_Part,
    expected=f"a part of the name of a task, or an id, or {MIN_PREFIX} or more characters from its beginning",
    default="",
)
QUEUE_PART = Parameter[str](
    name="queue", location="query", type=_Part, expected="a part of the name of a queue", default=""
)
WORKER_PART = Parameter[str](
    name="worker", location="query", type=_Part, expected="a part of the hostname of a worker", default=""
)
MIN_AGE = Parameter[float](
    name="min_age",
    location="query",
    type=Annotated[float, Meta(ge=0, lt=1e11)],
    expected="seconds for which a task has run or waited at least",
    default=0.0,
)
SEARCH_TEXT = Parameter[str](
    name="q",
    location="query",
    type=Annotated[str, Meta(min_length=1, max_length=MAX_NAME)],
    expected=f"1 to {MAX_NAME} characters: the id of a task, {MIN_PREFIX} or more from its beginning, or a part of the "
    "name of a task, a queue or a worker",
)
CHART_SUBJECT = Parameter[Subject](
    name="of",
    location="query",
    type=_ChartTopic,
    expected=_CHART_TOPICS,
    default="pace:",
    convert=parse_topic,
)
WINDOW = Parameter[float](
    name="window",
    location="query",
    type=Annotated[float, Meta(gt=0, le=MAX_WINDOW)],
    expected=f"seconds above 0, at most {MAX_WINDOW:.0f}",
    default=600.0,
)
TARGET_SECONDS = Parameter[float](
    name="target_seconds",
    location="query",
    type=Annotated[float, Meta(gt=0, le=MAX_TARGET)],
    expected=f"seconds above 0, at most {MAX_TARGET:.0f}, within which workers_needed finish the tasks of the queue",
    default=60.0,
)
SLOTS = Parameter[float](
    name="slots",
    location="query",
    type=Annotated[float, Meta(ge=0, le=1_000_000)],
    expected="the slots of one worker, for workers_needed; 0 for those of the workers of the queue",
    default=0.0,
)
EXACT = Parameter[bool](
    name="exact",
    location="query",
    type=bool,
    expected="true to read from the next message when it was sent (Redis only)",
    default=False,
)
TOPICS = Parameter[list[str]](
    name="topic",
    location="query",
    type=Annotated[list[_Topic], Meta(min_length=1, max_length=MAX_TOPICS)],
    expected=f"one to {MAX_TOPICS} of {', '.join(LISTS)}, matrix:GROUPING, "
    f"failure:SOURCE/KEY, run:SOURCE/ID, runs:QUERY, {_CHART_TOPICS}",
    convert=_check_topics,
)
LAST_EVENT_ID = Parameter[str](
    name="Last-Event-ID",
    location="header",
    type=str,
    expected="the id of an event, to continue after it",
    default="",
)
CSRF_TOKEN = Parameter[str](
    name="X-Gossip-CSRF", location="header", type=str, expected="the token that /api/config returns as csrf"
)
PREVIEW = Parameter[bool](
    name="preview",
    location="query",
    type=bool,
    expected="true to learn to which workers the command would be sent, and to send nothing",
    default=False,
)
ACTIVITY = Parameter[int](
    name="number",
    location="query",
    type=Annotated[int, Meta(ge=0, le=2**53)],
    expected="the number of a command, for this one only; 0 for all",
    default=0,
)
METRICS_SOURCE = Parameter[str](
    name="source", location="query", type=str, expected="the number of a watched app", default="0"
)
PAGE = Parameter[str](name="page", location="path", type=str, expected="a path outside api/ and static/")
STATIC_VERSION = Parameter[str](
    name="version", location="path", type=str, expected="a digest of all files; another one is served, but not cached"
)
FILE = Parameter[str](name="name", location="path", type=str, expected="the name of a file of the page")
LOGIN_TARGET = Parameter[str](
    name="next",
    location="query",
    type=str,
    expected="an address relative to the dashboard, for after the login; another one leads to the overview",
    default="",
)
LOGIN_CODE = Parameter[str](
    name="code", location="query", type=_ProviderText, expected="the code of the provider", default=""
)
LOGIN_STATE = Parameter[str](
    name="state", location="query", type=_ProviderText, expected="the state of the login", default=""
)
LOGIN_ISSUER = Parameter[str](
    name="iss", location="query", type=_ProviderText, expected="the issuer (RFC 9207)", default=""
)
LOGIN_ERROR = Parameter[str](
    name="error", location="query", type=_ProviderText, expected="why the provider refused the login", default=""
)
SESSION_TOKEN = Parameter[str](
    name="X-Gossip-CSRF",
    location="header",
    type=str,
    expected="the token that /api/config returns as session.csrf",
)
