"""The package costs nothing where it is merely installed, and its public names are what they say."""

import configparser
import subprocess
import sys
from pathlib import Path
from types import UnionType
from typing import Literal, get_origin

import pytest

import celery_gossip


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


HEAVY = "sorted({name.partition('.')[0] for name in sys.modules} & {'celery', 'kombu', 'blinker', 'msgspec', 'click'})"


def test_importing_the_package_imports_neither_celery_nor_kombu() -> None:
    assert run(f"import celery_gossip, sys; print({HEAVY})") == "[]"


PURE = (
    "options",
    "signals",
    "health",
    "wire.messages",
    "cluster.cluster",
    "cluster.isolation",
    "diagnosis.diagnosis",
    "worker.bindings",
)


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_import_neither_celery_nor_kombu(module: str) -> None:
    loaded = run(f"import celery_gossip.{module}, sys; print({HEAVY})")
    assert "celery'" not in loaded and "kombu" not in loaded


def test_the_health_probe_imports_nothing_but_the_standard_library() -> None:
    assert run(f"import celery_gossip.health, sys; print({HEAVY})") == "[]"


def test_a_pure_name_can_be_used_without_celery() -> None:
    assert "celery'" not in run(f"import sys; from celery_gossip import GossipOptions; print({HEAVY})")


def test_no_module_opens_a_socket_or_reads_the_environment_at_import() -> None:
    code = """
import sys, pkgutil, importlib
import celery.bin.celery, celery.worker.consumer, kombu.transport.redis, kombu.transport.pyamqp
import celery_gossip
caught = []
sys.addaudithook(lambda event, args: caught.append(event) if event in ("socket.connect", "os.putenv") else None)
for found in pkgutil.walk_packages(celery_gossip.__path__, "celery_gossip."):
    importlib.import_module(found.name)
print(caught)
"""
    assert run(code) == "[]"


@pytest.mark.parametrize("name", celery_gossip.__all__)
def test_every_public_name_resolves(name: str) -> None:
    module = celery_gossip._MODULE_OF.get(name, name)
    public = getattr(celery_gossip, name)
    assert public is getattr(sys.modules[f"celery_gossip.{module}"], name, public)
    alias = get_origin(public) in (Literal, UnionType)
    assert alias or public.__name__.rpartition(".")[2] == name


def test_the_signals_are_reachable_after_the_package_was_imported() -> None:
    code = "import celery_gossip; print(celery_gossip.signals.worker_lost.name)"
    assert run(code) == "worker_lost"


def test_public_names_are_listed_before_they_are_used() -> None:
    assert run("import celery_gossip; print(set(celery_gossip.__all__) <= set(dir(celery_gossip)))") == "True"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'celery_gossip' has no attribute 'Gosip'"):
        _ = celery_gossip.Gosip


def test_star_import_gives_the_public_names() -> None:
    code = "from celery_gossip import *; import celery_gossip; print(set(celery_gossip.__all__) <= set(globals()))"
    assert run(code) == "True"


def test_modules_export_only_names_that_they_have() -> None:
    code = """
import pkgutil, importlib, celery_gossip
for found in pkgutil.walk_packages(celery_gossip.__path__, "celery_gossip."):
    module = importlib.import_module(found.name)
    missing = [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)]
    if missing: print(found.name, missing)
"""
    assert run(code) == ""


def test_the_version_is_a_version() -> None:
    assert all(part.isdigit() for part in celery_gossip.__version__.split(".")[:2])


def test_every_dependency_of_a_user_has_an_upper_bound() -> None:
    """A major release can break us."""
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parent.parent.parent / "setup.cfg")
    needs = setup["options"]["install_requires"].split("\n")
    for extra in ("oidc", "prometheus", "top", "web"):
        needs += setup["options.extras_require"][extra].split("\n")
    assert len([need for need in needs if need]) >= 8
    assert [need for need in needs if need and ",<" not in need] == ["celery-gossip[web]"]  # of the extra oidc
