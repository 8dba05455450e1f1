"""The build backend of this project (PEP 517): setuptools, with reproducible archives where SOURCE_DATE_EPOCH is set.

Named in pyproject.toml; run by pip and `python -m build`.
"""

import os
from typing import Any

from reproducible import epoch_of, normalize_sdist, normalize_wheel
from setuptools import build_meta
from setuptools.build_meta import (  # the other hooks
    build_editable,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    """Build a .tar.gz there and return its name."""
    name = str(build_meta.build_sdist(sdist_directory, config_settings))
    epoch = epoch_of(os.environ)
    if epoch is not None:
        normalize_sdist(os.path.join(sdist_directory, name), epoch)
    return name


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Build a wheel there and return its name."""
    name = str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))
    epoch = epoch_of(os.environ)
    if epoch is not None:
        normalize_wheel(os.path.join(wheel_directory, name), epoch)
    return name
