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


_FORMS: tuple[tuple[str, bytes, str], ...] = (
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html; AWS's own examples end in EXAMPLE.
    ("AWS access key id", rb"\b(?:AKIA|ASIA)(?![A-Z2-7]{9}EXAMPLE)[A-Z2-7]{16}\b", "AKIA ASIA"),
    (
        "AWS secret access key",
        rb"(?i:aws_?secret_?(?:access_?)?key)[\"']?\s{0,8}[:=]\s{0,8}[\"']?"
        rb"(?![A-Za-z0-9/+]*EXAMPLE)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
        "secret Secret SECRET",
    ),
    # RFC 7468; PGP's armour (RFC 9580) says PRIVATE KEY BLOCK.
    ("private key", rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----", "-----BEGIN"),
    # https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
    (
        "GitHub token",
        rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22,})",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
    ),
    # https://docs.gitlab.com/security/tokens/#token-prefixes
    ("GitLab token", rb"\bglpat-[A-Za-z0-9_-]{20}", "glpat-"),
    # https://api.slack.com/authentication/token-types
    ("Slack token", rb"\bxox[abeprs]-[A-Za-z0-9-]{10,}", "xox"),
    # https://docs.stripe.com/keys
    ("Stripe live key", rb"\b[rs]k_live_[A-Za-z0-9]{16,}", "k_live_"),
    ("Google API key", rb"\bAIza[A-Za-z0-9_-]{35}\b", "AIza"),
    # https://docs.npmjs.com/about-access-tokens
    ("npm token", rb"\bnpm_[A-Za-z0-9]{36}\b", "npm_"),
    # https://pypi.org/help/#apitoken: a macaroon for pypi.org in base64
    ("PyPI token", rb"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}", "pypi-"),
    ("Anthropic or OpenAI API key", rb"\bsk-(?:ant|proj)-[A-Za-z0-9_-]{20,}", "sk-ant- sk-proj-"),
)
"""Kinds of credentials, their patterns, and the marks of which a file must have one to hold such a credential."""


def find_secrets(content: bytes) -> list[SecretFinding]:
    """What looks like a credential in a file's ``content``, in the order in which it stands there."""
    # Looking for plain bytes first makes megabytes a matter of milliseconds.
    suspected = [form for form in _FORMS if any(mark in content for mark in form[2].encode().split())]
    found = sorted((match.start(), kind) for kind, form, _ in suspected for match in re.finditer(form, content))
    return [SecretFinding(kind, content.count(b"\n", 0, start) + 1) for start, kind in found]
