"""Files for contributors and packagers agree with the tree: commands, paths, versions of Python, container files."""

import configparser
import fnmatch
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from celery_gossip.cli import gossip
from celery_gossip.health import HealthFile
from tests.support.prometheus import promtool

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(ROOT.glob(".github/workflows/*.yml"))}
JOBS = [pytest.param(job, id=f"{name}-{key}") for name, flow in WORKFLOWS.items() for key, job in flow["jobs"].items()]
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
TEXTS = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "CODE_OF_CONDUCT.md",
    ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md",
    ROOT / "docs" / "explanation" / "releasing.md",
    *ROOT.glob(".github/ISSUE_TEMPLATE/*.yml"),
]
COMMANDS = [ROOT / "README.md", ROOT / ".ci" / "run", ROOT / ".pre-commit-config.yaml", *TEXTS]


def config(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / name, encoding="utf-8")
    return parser


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def tox_environments() -> set[str]:
    """Return the names of tox.ini, with {a,b} expanded."""
    tox = config("tox.ini")
    names = {section.removeprefix("testenv:") for section in tox.sections() if section.startswith("testenv:")}
    for line in tox["tox"]["env_list"].split():
        parts = [part.strip("{}").split(",") for part in re.findall(r"\{[^}]*\}|[^{}]+", line)]
        names |= {"".join(choice) for choice in itertools.product(*parts)}
    return names


def is_tox_environment(name: str) -> bool:
    """Return True for a listed name, and for one of factors that [testenv] has settings for."""
    factors = set(re.findall(r"^\s+!?(\w+):", (ROOT / "tox.ini").read_text(), re.MULTILINE))
    return name in tox_environments() or all(
        re.fullmatch(r"py3\d+", part) or part in factors for part in name.split("-")
    )


def runs_of(job: dict[str, Any]) -> list[str]:
    """Return the commands of a job, with each value of its matrix."""
    matrix = job.get("strategy", {}).get("matrix", {})
    lists = {key: values for key, values in matrix.items() if key != "include"}
    choices = matrix.get("include") or [
        dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())
    ]
    commands = []
    for choice, step in itertools.product(choices, job["steps"]):
        if "run" in step:
            commands.append(re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda match, one=choice: one[match[1]], step["run"]))
    return commands


def named_in(text: str) -> tuple[set[str], set[str]]:
    """Return the targets of make and the environments of tox that a text runs."""
    made = set(re.findall(r"(?:^|[`$] ?|run: )make ([a-z][a-z-]*)", text, re.MULTILINE))
    made |= set(re.findall(r"`make ([a-z][a-z-]*)[ `]", text))
    environments = re.findall(r"tox (?:run )?(?:--[\w-]+ \w+ )*-e ([\w,-]+)", text)
    return made, {name for listed in environments for name in listed.split(",")}


def pythons(names: set[str]) -> set[str]:
    """Return the versions of Python in names of tox environments."""
    return {f"3.{minor}" for name in names for minor in re.findall(r"\bpy3(\d+)", name)}


@pytest.mark.parametrize("job", JOBS)
def test_a_job_runs_targets_that_exist(job: dict[str, Any]) -> None:
    made, environments = named_in("\n".join(runs_of(job)))
    assert made <= make_targets()
    assert [name for name in environments if not is_tox_environment(name)] == []
    assert made or environments or any("docker compose" in command for command in runs_of(job))


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.name)
def test_a_document_names_targets_that_exist(path: Path) -> None:
    made, environments = named_in(path.read_text("utf-8"))
    assert made <= make_targets()
    assert [name for name in environments if not is_tox_environment(name)] == []


def test_commands_are_found_in_documents_and_unknown_ones_are_noticed() -> None:
    assert named_in("`make test`, `make ONLY=1`\n$ make demo   # make it\nmake lint\n") == (
        {"test", "demo", "lint"},
        set(),
    )
    assert named_in("tox run --skip-missing-interpreters false -e py310-celery54,lint") == (
        set(),
        {"py310-celery54", "lint"},
    )
    assert "test" in make_targets() and "no-such" not in make_targets()
    assert is_tox_environment("py313-celery54-whole") and is_tox_environment("py312-upstream")
    assert not is_tox_environment("py313-celery53") and not is_tox_environment("no_such")


@pytest.mark.parametrize("job", JOBS)
def test_a_job_has_a_time_limit_and_uses_actions_of_a_major_version(job: dict[str, Any]) -> None:
    assert 5 <= job["timeout-minutes"] <= 350
    actions = [step["uses"] for step in job["steps"] if "uses" in step]
    assert [
        action for action in actions if not re.fullmatch(r"actions/[\w-]+@v\d+|\./\.github/actions/\w+", action)
    ] == []
    assert all((ROOT / action / "action.yml").exists() for action in actions if action.startswith("./"))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_can_only_read(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    assert WORKFLOWS[name]["concurrency"]["group"].startswith(name)
    assert not any("permissions" in job for job in WORKFLOWS[name]["jobs"].values())


def test_the_suites_of_the_makefile_contain_every_folder_of_tests_once() -> None:
    makefile = (ROOT / "Makefile").read_text()
    suites = {name: re.findall(rf"^{name}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[0] for name in ci_suites()}
    of_folder: dict[str, list[str]] = {}
    for name, recipe in suites.items():
        for folder in dict.fromkeys(re.findall(r"tests/\w+", recipe)):
            of_folder.setdefault(folder, []).append(name)
    of_folder["tests/typing"] = ["tox -e types"]
    assert of_folder.pop("tests/web") == ["test-integration", "test-browser"]  # divided by the marker `browser`
    assert all(len(names) == 1 for names in of_folder.values())
    tested = {f"tests/{path.relative_to(ROOT / 'tests').parts[0]}" for path in ROOT.glob("tests/*/**/test_*.py")}
    assert of_folder.keys() == tested - {"tests/web"}


def ci_suites() -> list[str]:
    return ["test-unit", *WORKFLOWS["ci"]["jobs"]["suite"]["strategy"]["matrix"]["suite"]]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_path_that_is_named_exists(path: Path) -> None:
    assert [name for name, exists in named_paths(path.read_text("utf-8")) if not exists] == []


def named_paths(text: str) -> Iterator[tuple[str, bool]]:
    """Yield `(path in backticks, exists)`; a bare name is also one of a file next to the path before it."""
    folder = ROOT
    for name in re.findall(r"`([\w.][\w./-]*)`", text):
        top, slash, _ = name.partition("/")
        if slash and (ROOT / top).exists():
            yield name, (ROOT / name).exists()
            folder = (ROOT / name).parent
        elif re.search(r"\.(?:cfg|ini|js|json|md|py|toml|ya?ml)$", name):
            yield name, (ROOT / name).exists() or (folder / name).exists()


def test_missing_paths_are_noticed() -> None:
    text = (
        "`celery_gossip/wire/limits.py`, `messages.py`, `no.py`, `docs/no.md`, `setup.cfg`, `a/b`, `x.y`, `make test`"
    )
    assert [name for name, exists in named_paths(text) if not exists] == ["no.py", "docs/no.md"]
    assert len(list(named_paths(text))) == 5
    assert len(list(named_paths((ROOT / "CONTRIBUTING.md").read_text("utf-8")))) > 50


def test_workflows_and_tox_have_the_same_versions_of_python_and_celery() -> None:
    environments = tox_environments()
    assert set(WORKFLOWS["ci"]["jobs"]["python"]["strategy"]["matrix"]["python"]) == pythons(environments)
    cells = WORKFLOWS["nightly"]["jobs"]["compatibility"]["strategy"]["matrix"]["include"]
    assert {name for cell in cells for name in cell["environments"].split(",")} == {
        name for name in environments if re.fullmatch(r"py\d+-celery\d+", name)
    }
    assert all(pythons({cell["environments"]}) == {cell["python"]} for cell in cells)


def test_classifiers_are_the_versions_of_python_with_results() -> None:
    (page,) = ROOT.glob("docs/**/compatibility.md")
    rows = re.findall(r"^\| Python (3\.\d+)\S* \|(.*)\|$", page.read_text("utf-8"), re.MULTILINE)
    assert {version for version, _ in rows} == pythons(tox_environments())
    classifiers = config("setup.cfg")["metadata"]["classifiers"]
    listed = re.findall(r"Python :: (3\.\d+)$", classifiers, re.MULTILINE)
    assert listed == [version for version, results in rows if "not available" not in results]
    assert config("setup.cfg")["options"]["python_requires"] == f">={listed[0]}"


def test_the_address_of_the_project_stands_in_one_place() -> None:
    address = config("setup.cfg")["metadata"]["url"].partition("://")[2]
    folders = ("", ".github", "build_hook", "celery_gossip", "docker", "docs", "example_project", "tools")
    paths = {path for folder in folders for path in (ROOT / folder).glob("**/*" if folder else "*") if path.is_file()}
    assert len(paths) > 200
    texts = {path for path in paths if path.suffix in {".cfg", ".js", ".md", ".py", ".toml", ".yaml", ".yml"}}
    assert [str(path.relative_to(ROOT)) for path in texts if address in path.read_text("utf-8")] == ["setup.cfg"]


def copied() -> list[str]:
    """Return the files and folders that the Dockerfile copies from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def test_the_dockerfile_copies_files_that_exist_and_are_not_ignored() -> None:
    assert len(copied()) > 5
    assert [source for source in copied() if not (ROOT / source).exists()] == []
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    kept = [line[1:] for line in ignored if line.startswith("!")]
    files = [file for source in copied() for file in files_of(ROOT / source)]
    assert [file for file in files if not any(matches(file, pattern) for pattern in kept)] == []
    assert [pattern for pattern in kept if not any(matches(file, pattern) for file in files)] == []


def files_of(path: Path) -> list[str]:
    paths = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return [str(each.relative_to(ROOT)) for each in paths if "__pycache__" not in each.parts]


def matches(file: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(file, pattern) or file.startswith(f"{pattern}/")


def test_the_image_has_another_user_than_root_a_health_check_and_a_supported_python() -> None:
    (version,) = re.findall(r"^ARG PYTHON_VERSION=(.+)$", DOCKERFILE, re.MULTILINE)
    assert f"Python :: {version}\n" in config("setup.cfg")["metadata"]["classifiers"]
    assert re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE) == ["10001"]
    assert "HEALTHCHECK " in DOCKERFILE
    assert DOCKERFILE.index("USER 10001") < DOCKERFILE.index("\nCMD")


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_uses_files_that_exist_and_publishes_on_loopback_only(name: str) -> None:
    service, folder = COMPOSE["services"][name], ROOT / "docker"
    if "build" in service:
        context = (folder / service["build"]["context"]).resolve()
        assert context == ROOT.resolve() and (context / service["build"]["dockerfile"]).exists()
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
    else:
        assert re.search(r":v?\d", service["image"])
    for volume in service.get("volumes", []):
        assert (folder / volume.partition(":")[0]).exists() and volume.endswith(":ro")
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("service", ["dashboard", "exporter"])
def test_a_command_of_a_service_has_options_that_exist(service: str) -> None:
    command = COMPOSE["services"][service]["command"]
    text = command[-1] if command[0] == "sh" else " ".join(command)
    name, *arguments = text.partition("celery -A example_project gossip ")[2].split()
    with click.Context(gossip, **gossip.context_settings) as group:
        subcommand = gossip.get_command(group, name)
        assert subcommand is not None
        parsed = subcommand.make_context(name, list(arguments), parent=group)
    assert parsed.params["bind"] == "0.0.0.0"
    port = f"{parsed.params['port']}:{parsed.params['port']}"
    assert COMPOSE["services"][service]["ports"] == [f"127.0.0.1:{port}"]
    assert f":{parsed.params['port']}/" in COMPOSE["services"][service]["environment"]["HEALTHCHECK"]
    assert f"{parsed.params['port']}" in re.findall(r"^EXPOSE (.+)$", DOCKERFILE, re.MULTILINE)[0].split()


def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    scraped = yaml.safe_load((ROOT / "docker" / "prometheus.yml").read_text())["scrape_configs"]
    assert scraped[0]["static_configs"] == [{"targets": ["exporter:9808"]}]
    for volume in COMPOSE["services"]["prometheus"]["volumes"]:
        source, target, _ = volume.split(":")
        shutil.copy(ROOT / "docker" / source, tmp_path / Path(target).name)
    assert "SUCCESS" in promtool("check", "config", str(tmp_path / "prometheus.yml"))


def health(target: str) -> tuple[int, str]:
    """Run the health check of the image; return exit code and output."""
    environment = {**os.environ, "HEALTHCHECK": target, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "docker" / "healthcheck.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_health_check_of_the_image_reads_the_file_of_a_worker(tmp_path: Path) -> None:
    path = tmp_path / "health"
    assert health(str(path)) == (
        1,
        f"{path}: No such file or directory; the worker does not consume yet, or shuts down\n",
    )
    file = HealthFile(str(path))
    file.claim()
    file.touch(time.monotonic())
    assert health(str(path))[0] == 0
    assert health("")[0] != 0


def test_the_health_check_of_the_image_asks_a_server() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 503)
            self.end_headers()
            self.wfile.write(b"ok\n")

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            assert health(f"{url}/healthz") == (0, "ok\n")
            code, output = health(f"{url}/isolated")
        finally:
            server.shutdown()
            thread.join()
    assert (code, "503" in output) == (1, True)
    code, output = health(f"{url}/healthz")
    assert (code, "refused" in output) == (1, True)


def test_the_configuration_of_the_hooks_runs_nothing_from_elsewhere() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert json.dumps(repository).count("http") == 0
