"""Finds credentials by their form in files that are about to be published, and never prints them.

Only forms that their issuers made recognisable are looked for, so that a hit is hardly ever a false alarm. It is
a second check, not a guarantee: a password that looks like any other word passes.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class SecretFinding:
    """Something that looks like a credential: its ``kind`` and the ``line``, from 1, on which it begins."""

    kind: str
    line: int


class _Form:
    """How one kind of credential looks; a file without any of the ``marks`` cannot hold one."""

    def __init__(self, kind: str, pattern: bytes, *marks: bytes) -> None:
        self.kind = kind
        self.pattern = re.compile(pattern)
        self.marks = marks


_FORMS = (
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html; AWS's own examples end in EXAMPLE.
    _Form("AWS access key id", rb"\b(?:AKIA|ASIA)(?![A-Z2-7]{9}EXAMPLE)[A-Z2-7]{16}\b", b"AKIA", b"ASIA"),
    _Form(
        "AWS secret access key",
        rb"(?i:aws_?secret_?(?:access_?)?key)[\"']?\s{0,8}[:=]\s{0,8}[\"']?"
        rb"(?![A-Za-z0-9/+]*EXAMPLE)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
        b"secret",
        b"Secret",
        b"SECRET",
    ),
    # RFC 7468; PGP's armour (RFC 9580) says PRIVATE KEY BLOCK.
    _Form("private key", rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----", b"PRIVATE KEY"),
    # https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
    _Form(
        "GitHub token",
        rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22,})",
        b"ghp_",
        b"gho_",
        b"ghu_",
        b"ghs_",
        b"ghr_",
        b"github_pat_",
    ),
    # https://docs.gitlab.com/security/tokens/#token-prefixes
    _Form("GitLab token", rb"\bglpat-[A-Za-z0-9_-]{20}", b"glpat-"),
    # https://api.slack.com/authentication/token-types
    _Form("Slack token", rb"\bxox[abeprs]-[A-Za-z0-9-]{10,}", b"xox"),
    # https://docs.stripe.com/keys
    _Form("Stripe live key", rb"\b[rs]k_live_[A-Za-z0-9]{16,}", b"k_live_"),
    _Form("Google API key", rb"\bAIza[A-Za-z0-9_-]{35}\b", b"AIza"),
    # https://docs.npmjs.com/about-access-tokens
    _Form("npm token", rb"\bnpm_[A-Za-z0-9]{36}\b", b"npm_"),
    # https://pypi.org/help/#apitoken: a macaroon for pypi.org in base64
    _Form("PyPI token", rb"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}", b"pypi-"),
    _Form("Anthropic or OpenAI API key", rb"\bsk-(?:ant|proj)-[A-Za-z0-9_-]{20,}", b"sk-ant-", b"sk-proj-"),
)


def find_secrets(content: bytes) -> list[SecretFinding]:
    """What looks like a credential in a file's ``content``, in the order in which it stands there."""
    # Looking for plain bytes first makes megabytes a matter of milliseconds.
    suspected = [form for form in _FORMS if any(mark in content for mark in form.marks)]
    found = sorted((match.start(), form.kind) for form in suspected for match in form.pattern.finditer(content))
    return [SecretFinding(kind, content.count(b"\n", 0, start) + 1) for start, kind in found]
