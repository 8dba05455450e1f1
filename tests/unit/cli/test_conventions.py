"""What every command has in common: help, version, defaults, completion, and an import that costs little."""

import json
import re
import subprocess
import sys
from typing import Any

import click
import pytest
from click.testing import CliRunner

import celery_gossip
from celery_gossip.cli import gossip
from tests.support.workers import REPOSITORY
from tests.unit.cli.fakes import run

COMMANDS = sorted(gossip.commands)
OPTIONS = [
    pytest.param(command, option, id=f"{command} {option.opts[0]}")
    for command in COMMANDS
    for option in gossip.commands[command].params
    if isinstance(option, click.Option)
]


def test_the_version_is_that_of_the_package() -> None:
    done = run("--version")
    assert (done.exit_code, done.stdout) == (0, f"celery-gossip {celery_gossip.__version__}\n")


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_has_a_short_flag_everywhere(command: str | None, flag: str) -> None:
    done = run(*filter(None, [command]), flag)
    assert done.exit_code == 0 and done.stdout.startswith("Usage: ") and "-h, --help" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_begins_with_a_sentence_that_fits_the_list_of_commands(command: str) -> None:
    sentence = (gossip.commands[command].help or "").partition("\n")[0]
    (line,) = [line for line in run("--help").stdout.splitlines() if line.split()[:1] == [command]]
    assert line.endswith(sentence) and sentence.endswith("."), line


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_shows_its_default_and_a_metavar(command: str, option: click.Option) -> None:
    context = click.Context(gossip.commands[command], parent=click.Context(gossip, **gossip.context_settings))
    record = option.get_help_record(context)
    assert record is not None
    names, text = record
    if option.is_flag:
        assert not option.get_default(context), "a flag is off by default, which need not be shown"
    else:
        assert "[default: " in text
        assert option.metavar and option.metavar in names and option.metavar == option.metavar.upper()
    assert option.help and option.help[0].isupper() and option.help.endswith(".")


@pytest.mark.parametrize(("command", "variable"), [("web", "WEB"), ("exporter", "EXPORTER")])
def test_the_port_of_a_kubernetes_service_of_this_name_is_not_taken_for_ours(command: str, variable: str) -> None:
    context = click.Context(
        gossip, **gossip.context_settings, info_name="gossip", auto_envvar_prefix="CELERY_GOSSIP", obj=None
    )
    environment = {f"CELERY_GOSSIP_{variable}_PORT": "tcp://10.0.0.1:5556"}
    with CliRunner(env=environment).isolation():
        parsed = gossip.commands[command].make_context(command, [], parent=context)
    assert isinstance(parsed.params["port"], int)


def complete(words: str) -> list[str]:
    """Return the words that the shell offers in the place of the last one."""
    environment = {"_CELERY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'celery'; from celery.bin.celery import main; main()"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr, done.stderr
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("celery -A proj gos", ["gossip"]),
        ("celery -A proj gossip st", ["status"]),
        ("celery gossip status --max", ["--max-backlog", "--max-wait", "--max-failure-rate"]),
        ("celery gossip web --broker", ["--broker", "--broker-file"]),
    ],
)
def test_the_shell_completes_commands_and_options_without_the_app(words: str, offered: list[str]) -> None:
    assert complete(words) == offered


def test_the_page_on_checks_names_every_option_of_status_and_no_other() -> None:
    text = (REPOSITORY / "docs" / "how-to" / "checks.md").read_text()
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    options = {name for option in gossip.commands["status"].params for name in option.opts}
    assert named == options


def test_the_celery_program_loads_no_front_end_when_it_loads_the_commands() -> None:
    code = """
import json, sys
import celery.bin.celery
before = set(sys.modules)
import celery_gossip.cli
print(json.dumps(sorted(name for name in sys.modules if name.startswith("celery_gossip"))))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded: list[str] = json.loads(done.stdout)
    packages = {name.split(".")[1] for name in loaded if "." in name}
    assert packages == {"beat", "cli", "errors", "log", "process", "worker"}
    assert len([name for name in loaded if ".cli." in name]) <= 11


def test_a_preload_option_of_the_app_reaches_no_command() -> None:
    """Celery adds such options to every group of commands and passes their values on, before Celery 5.7."""
    callback: Any = gossip.callback
    with click.Context(gossip).scope():
        assert callback(some_option="x") is None
