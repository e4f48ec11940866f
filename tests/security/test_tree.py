"""No file of the project contains a credential."""

import subprocess

from scripts.project import PROJECT
from scripts.secrets_scan import find_secrets
from tests.test_secrets_scan import SECRETS


def project_files() -> list[str]:
    """Every file that git does not ignore, committed or not."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (PROJECT / name).is_file()]


def test_no_file_of_the_project_contains_a_credential() -> None:
    files = project_files()
    assert {"README.md", "stacks/shared.py", "requirements.txt"} <= set(files)
    found = {name: secrets for name in files if (secrets := find_secrets((PROJECT / name).read_bytes()))}
    assert not found


def test_the_scan_detects_credentials() -> None:
    assert all(find_secrets(secret.encode()) for secret in SECRETS.values())
