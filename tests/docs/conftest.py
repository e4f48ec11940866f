"""A shared stack on an embedded AWS, from the tests of interviews."""

from tests.interviews.conftest import embedded, new_place

__all__ = ["embedded", "new_place"]
