"""The link that opens an interview without typing its password."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.errors import RefusedError
from scripts.interviews.link import interview_link
from scripts.interviews.request import checked_password


@pytest.mark.parametrize(
    ("access_url", "link"),
    [
        ("https://ada.interviews.example.com", "https://join.interviews.example.com/#ada:secret-1"),
        ("http://ada.prequel.localhost:8080/", "http://join.prequel.localhost:8080/#ada:secret-1"),
        ("", ""),
    ],
)
def test_the_link_names_the_interview_behind_the_hash(access_url: str, link: str) -> None:
    assert interview_link(access_url, "ada", "secret-1") == link


def test_a_lost_password_makes_no_link() -> None:
    assert interview_link("https://ada.interviews.example.com", "ada", "") == ""


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=8, max_size=128))
def test_every_password_survives_the_link(password: str) -> None:
    try:
        checked_password(password)
    except RefusedError:
        return
    behind = interview_link("https://ada.example.com", "ada", password).partition("#ada:")[2]
    assert unquote(behind) == password
    assert not set(behind) & set(' "<>`#')
