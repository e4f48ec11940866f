"""Credentials are found by their form; what only resembles one is left alone."""

import pytest

from scripts.secrets_scan import SecretFinding, find_secrets

# In parts, so that no scanner takes this file for a leak.
SECRETS = {
    "AWS access key id": "AK" + "IA" + "Q3EGRIWZ5T7KXYAB",
    "AWS secret access key": 'aws_secret_access_key = "' + "wJalrXUtnFEMI/K7MDENG+" + 'bPxRfiCYzzzzzzzzzz"',
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "GitHub token": "gh" + "p_" + "a1B2" * 9,
    "GitLab token": "gl" + "pat-" + "a1B2c" * 4,
    "Slack token": "xo" + "xb-" + "123456789012-abcdef",
    "Stripe live key": "sk" + "_live_" + "a1B2c3D4" * 3,
    "Google API key": "AI" + "za" + "a1B2c" * 7,
    "npm token": "np" + "m_" + "a1B2" * 9,
    "PyPI token": "py" + "pi-AgEIcHlwaS5vcmc" + "a1B2c" * 11,
    "Anthropic or OpenAI API key": "sk" + "-ant-" + "a1B2c" * 5,
}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_found_with_its_kind_and_line(kind: str) -> None:
    assert find_secrets(f"first\nx = {SECRETS[kind]}\n".encode()) == [SecretFinding(kind, 2)]


def test_several_secrets_are_found_in_the_order_in_which_they_stand() -> None:
    text = "\n".join(SECRETS.values())
    assert [finding.line for finding in find_secrets(text.encode())] == list(range(1, len(SECRETS) + 1))


@pytest.mark.parametrize(
    "harmless",
    [
        "AKIA" + "IOSFODNN7EXAMPLE",  # AWS's own, in all its documentation
        "aws_secret_access_key = os.environ['AWS_SECRET_ACCESS_KEY']",
        "-----BEGIN PUBLIC KEY-----",
        "sk_test_" + "a1B2c3D4" * 3,
        "commit 3f9a1c2b4d5e6f708192a3b4c5d6e7f8091a2b3c",
        "password = 'hunter2'",
    ],
)
def test_what_only_resembles_a_secret_is_left_alone(harmless: str) -> None:
    assert find_secrets(harmless.encode()) == []


def test_a_binary_file_is_searched_too() -> None:
    assert find_secrets(b"\x00\xff" + SECRETS["GitHub token"].encode() + b"\x00") == [SecretFinding("GitHub token", 1)]
