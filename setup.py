"""What setup.cfg cannot express: README.md with links that work on a package index, and the addresses of the project.

Run by setuptools through build_hook/backend.py; the repository's address is `url` in setup.cfg, and nowhere else.
"""

import sys
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "build_hook"))

from description import package_metadata  # noqa: E402

setup(**package_metadata(ROOT))
