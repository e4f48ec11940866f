"""What a hostile candidate finds in the container: nothing of AWS, and no way to more rights."""

import io
import re
from pathlib import Path

import pytest

from tests.candidate.container import Container
from tests.candidate.task import Interview

pytestmark = pytest.mark.e2e

SEARCH = """
set +e
env; for file in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do tr '\\0' '\\n' < $file; done
grep -rs 'v2/credentials' / --include='*' --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr --exclude-dir=dev
find / -xdev -name '*credentials*' -path '*aws*' -exec cat {} +
""".strip()
"""What the candidate can read of any process and any file outside the image."""


def probe(interview: Interview, directory: Path, script: str, **changes: object) -> str:
    """The output of ``script`` run instead of code-server, everything else as the task definition says."""
    container = interview.container("code-server", directory)
    container.definition = dict(container.definition) | changes
    container.run(command=["sh", "-c", script])
    return container.output


def test_no_process_and_no_file_contains_the_path_to_the_task_roles_credentials(
    interview: Interview, delivered: Path
) -> None:
    found = probe(interview, delivered, SEARCH)
    assert "HOME=/home/coder" in found
    assert interview.credentials_path not in found
    assert re.search(r"^(AWS|ECS)_", found, re.MULTILINE) is None


def test_the_same_search_succeeds_where_the_entry_point_lets_the_environment_through(
    interview: Interview, delivered: Path
) -> None:
    """The claim above could fail: this is what an image's own entry point would have done."""
    found = probe(interview, delivered, SEARCH, entryPoint=["dumb-init", "--"])
    assert interview.credentials_path in found


def test_an_init_process_of_the_agents_would_keep_the_credentials_readable(
    interview: Interview, delivered: Path
) -> None:
    """Why ``initProcessEnabled`` stays off: the agent's init has the whole environment and the candidate's user."""
    entry_point = interview.described("code-server")["entryPoint"]
    found = probe(interview, delivered, SEARCH, entryPoint=["dumb-init", "--", *entry_point])
    assert interview.credentials_path in found
    assert "initProcessEnabled" not in interview.described("code-server")["linuxParameters"]


def test_there_is_no_way_to_more_rights(interview: Interview, delivered: Path) -> None:
    status = probe(interview, delivered, "cat /proc/self/status")
    assert re.search(r"^Uid:\s+1000\s+1000\s+1000\s+1000$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert set(re.findall(r"^Cap\w+:\s+(\w+)$", status, re.MULTILINE)) == {"0" * 16}


def test_a_setuid_program_does_not_become_root(interview: Interview, delivered: Path) -> None:
    """Our image has none; here it has a copy of `id` that belongs to root and is setuid."""
    copied = "FROM {}\nUSER 0:0\nRUN install --mode 4755 /usr/bin/id /usr/bin/who-am-i\nUSER 1000:1000\n"
    dockerfile = io.BytesIO(copied.format(interview.image).encode())
    image, _ = interview.engine.client.images.build(fileobj=dockerfile, rm=True, forcerm=True)
    try:
        container = interview.container("code-server", delivered, image=str(image.id))
        assert run(container, "who-am-i -u") == "1000"
        # Without no_new_privs it would have become root, so the claim above could fail.
        container.definition = dict(container.definition) | {"entryPoint": ["dumb-init", "--"], "linuxParameters": {}}
        assert run(container, "who-am-i -u") == "0"
    finally:
        interview.engine.client.images.remove(str(image.id))


@pytest.mark.parametrize("place", ["/", "/usr/bin", "/etc", "/var", "/opt/editor", "/opt/prequel"])
def test_nothing_can_be_written_outside_the_volumes(interview: Interview, delivered: Path, place: str) -> None:
    assert "Read-only file system" in probe(interview, delivered, f"touch {place}/planted")


@pytest.mark.parametrize("place", ["/home/coder", "/home/coder/challenge", "/tmp"])  # noqa: S108  (the container's)
def test_the_candidate_can_write_where_work_is_done(interview: Interview, delivered: Path, place: str) -> None:
    assert "done" in probe(interview, delivered, f"touch {place}/file && rm {place}/file && echo done")


def test_no_memory_image_of_a_process_is_kept(interview: Interview, delivered: Path) -> None:
    assert probe(interview, delivered, "ulimit -c").strip() == "0"


def run(container: Container, script: str) -> str:
    """What the last run of ``script`` wrote."""
    container.run(command=["sh", "-c", script])
    return container.output.strip()
