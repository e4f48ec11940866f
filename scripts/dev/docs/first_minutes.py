"""What a new user reads, types and waits before something is seen: the table at the end of docs/performance.md."""

import re

DEMO_SECONDS = {"to the picture of an editor": 141, "in all": 225}
"""Of `make demo` after its installation, measured on 2026-11-28 as docs/performance.md says."""

_FIRST = ("git clone …", "cd …")
_MARKUP = re.compile(r"<!--.*?-->|<[^>]+>|!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)", re.DOTALL)


def words_before_the_first_command(readme: str) -> int:
    """Words of prose above the first block of commands, without links' targets and pictures."""
    return len(re.findall(r"[^\W_]+(?:[-'.][^\W_]+)*", _MARKUP.sub(" ", readme.partition("```bash")[0])))


def commands_to_an_interview(readme: str) -> list[str]:
    """What is typed from a clone to the first interview on AWS, as the README's section shows it."""
    section = readme.partition("\n## Deploy to your AWS account\n")[2].partition("\n## ")[0]
    blocks = "".join(re.findall(r"```bash\n(.*?)```", section, re.DOTALL))
    lines = [re.sub(r"\s+# .*", "", line) for line in blocks.splitlines() if line and not line.startswith("#")]
    created = next(number for number, line in enumerate(lines) if line.startswith("prequel interview create"))
    return [*_FIRST, *lines[: created + 1]]


def first_minutes(readme: str) -> str:
    """The table in Markdown."""
    rows = [
        ("words in the README before the first command", words_before_the_first_command(readme)),
        ("commands from a clone to the first picture (`git clone`, `cd`, `make demo`)", len(_FIRST) + 1),
        *((f"seconds of `make demo` {what}, measured", seconds) for what, seconds in DEMO_SECONDS.items()),
        ("commands from a clone to a running interview on AWS", len(commands_to_an_interview(readme))),
    ]
    return "\n".join(["| a new user's first minutes | |", "|---|---|", *(f"| {what} | {n} |" for what, n in rows)])
