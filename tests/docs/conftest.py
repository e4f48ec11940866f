"""A shared stack on an embedded AWS, as the interviews' own tests have it."""

from tests.interviews.conftest import embedded, new_place

__all__ = ["embedded", "new_place"]
