"""Former commits of this repository: their code, taken from its history, and projects whose workers run it."""

import os
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.workers import REPOSITORY, Project

__all__ = ["BEFORE_DETAILS", "BEFORE_SERIES", "FIRST", "ancient_project", "source_of"]

FIRST = "084e72599d8259e5cd4a95ff12cf81d825bfb10d"  #: the first that gossips
BEFORE_SERIES = "3a06dd302bc78e7dd1062b9a5b5d480614509a10"  #: the last whose gossip told nothing of how tasks fare

#: The last whose workers reported nothing of single tasks, resources, software and ages; its senders did not count.
BEFORE_DETAILS = "b5bc2cdc436c4626b9199a516a45cc8f51472122"


class AncientProject(Project):
    """A project whose commands are those of a former commit, which this process cannot run."""

    def gossip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.celery("gossip", *arguments)


def ancient_project(commit: str, folder: Path, like: Project) -> Project:
    """A twin of this project, with the same names, whose commands run the package as it was at this commit."""
    archive = _git("archive", commit, "celery_gossip")
    with tarfile.open(fileobj=BytesIO(archive)) as packed:
        packed.extractall(folder)
    project = AncientProject(like.broker_url)
    project.prefix, project.conf, project.install = like.prefix, like.conf, like.install
    project.folder = folder  # `python -m` looks there first
    project.extra_environment = {"PYTHONPATH": os.pathsep.join((str(folder), str(REPOSITORY)))}
    return project


def source_of(commit: str, path: str) -> str:
    """A file as it was at this commit."""
    return _git("show", f"{commit}:{path}").decode()


def _git(*arguments: str) -> Any:
    """What git prints; a skip where the history is not there: a shallow clone, or a source tree without git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if done.returncode:
        pytest.skip(f"the history is not here: git {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout
