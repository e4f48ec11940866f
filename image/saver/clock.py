"""``session.json``, by which the editor knows who works on what until when; nothing secret is in it.

Clients keep the object ``session.json`` beside the states, with ``candidate`` and ``deadline`` (RFC 3339). The
challenge's own title and instructions are added here.
"""

import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from image.saver.status import write_shown

SESSION_FILE = "session.json"
_SHOWN = ("candidate", "deadline")
_LARGEST = 100_000
"""Bytes of what is read here; both files are small, and the candidate can write one of them."""


class SessionClock:
    """Keeps ``session.json`` in the folder ``session`` like the object at ``address``, an ``s3://`` prefix."""

    def __init__(self, s3: Any, address: str, session: Path) -> None:
        self._s3 = s3
        self._bucket, _, self._prefix = address.removeprefix("s3://").partition("/")
        self._session = session
        self._etag = ""

    def refresh(self, challenge: Path) -> None:
        """Takes over what has changed; without an object, or without S3, everything stays as it is."""
        condition = {"IfNoneMatch": self._etag} if self._etag else {}
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=f"{self._prefix}{SESSION_FILE}", **condition)
            known = json.loads(answer["Body"].read(_LARGEST))
        except (ClientError, BotoCoreError, ValueError):
            return  # 304: nothing changed; the rest is asked for again soon
        if not isinstance(known, dict):
            return
        shown = {name: str(known.get(name, "")) for name in _SHOWN} | _described(challenge)
        write_shown(self._session / SESSION_FILE, shown)
        self._etag = answer["ETag"]


def _described(challenge: Path) -> dict[str, str]:
    """The challenge's title and instructions; empty where challenge.toml has none, or is the candidate's by now."""
    try:
        known = tomllib.loads(_content(challenge / "challenge.toml"))
    except (OSError, ValueError):
        known = {}
    return {name: str(known.get(name, "")) for name in ("title", "instructions")}


def _content(path: Path) -> str:
    """The text of a file that the candidate may have replaced: by a link to our own /proc, or by a pipe."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return ""
        return opened.read(_LARGEST).decode()
