"""Where functions and builds run on this machine: with the packages of AWS's images, and nothing of its settings."""

import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from functools import cached_property
from pathlib import Path

from scripts.embedded.launcher import EmbeddedAws
from scripts.errors import MissingToolError
from scripts.project import PROJECT
from scripts.terraform.binary import terraform_binary
from scripts.terraform.providers import provider_mirror

# The packages that a build's requirements name are this environment's: AWS's images install them from PyPI.
_PYTHON = """#!/bin/sh
if [ "$1 $2 $3" = "-m pip install" ]; then echo "the packages of {python} are used"; exit 0; fi
exec "{python}" "$@"
"""

# This project is installed in the same environment. A program must not find there what its archive lacks.
_SITE_CUSTOMIZE = """import sys
sys.path[:] = [path for path in sys.path if path != {project!r}]
"""


class CleanEnvironment:
    """A directory with what stands for AWS's images; ``close`` removes it."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="prequel-clean-"))
        (self._directory / "bin").mkdir()
        for name in ("python", "python3"):
            program = self._directory / "bin" / name
            program.write_text(_PYTHON.format(python=sys.executable))
            program.chmod(0o755)
        (self._directory / "site").mkdir()
        (self._directory / "site" / "sitecustomize.py").write_text(_SITE_CUSTOMIZE.format(project=str(PROJECT)))

    def variables(self, home: Path, *packages: Path) -> dict[str, str]:
        """The environment of a program with ``home``, and ``packages`` first on Python's path."""
        path = (self._directory / "bin", "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
        return {
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PATH": os.pathsep.join(map(str, path)),
            "PYTHONPATH": os.pathsep.join(map(str, (*packages, self._directory / "site"))),
        }

    @cached_property
    def terraform(self) -> dict[str, str]:
        """Variables with which a build finds this machine's Terraform and provider where HashiCorp's would be."""
        try:
            binary = terraform_binary()
        except MissingToolError:
            return {}
        archive = self._directory / "terraform.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
            packed.write(binary, "terraform")
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        mirror = provider_mirror(os.environ)
        known = EmbeddedAws("", "").variables
        return {
            "TERRAFORM_URL": archive.as_uri(),
            "TERRAFORM_SHA256": digest,
            "CHECKPOINT_DISABLE": "1",
            **({"PREQUEL_TF_MIRROR": str(mirror)} if mirror else {}),
            **{name: value for name, value in known.items() if not name.startswith("AWS_")},
        }

    def close(self) -> None:
        """Removes it."""
        shutil.rmtree(self._directory, ignore_errors=True)
