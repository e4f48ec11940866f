"""Interviews by as much of their id as a user gives."""

from datetime import timedelta

import pytest

from scripts.errors import RefusedError
from scripts.interviews.create import create
from scripts.interviews.destroy import destroy
from scripts.interviews.lookup import full_id, ids
from scripts.interviews.passwords import stored_password
from scripts.interviews.records import Status
from tests.interviews.conftest import Place
from tests.interviews.test_absence import a_target_group


def test_any_beginning_that_one_id_has_is_enough_and_one_that_several_have_names_them(place: Place) -> None:
    for name in ("ada-1", "ada-22", "bob"):
        place.stored(name, Status.ACTIVE)
    context = place.context()
    assert [full_id(context, given) for given in ("b", "bob", "ada-1", "ada-2")] == ["bob", "bob", "ada-1", "ada-22"]
    for given in ("a", "ada-"):
        with pytest.raises(RefusedError, match=rf'"{given}" could be ada-1, ada-22; give more of the id'):
            full_id(context, given)
    assert full_id(context, "eve") == "eve"
    with pytest.raises(RefusedError, match="cannot name an interview"):
        full_id(context, "No_Id")
    assert ids(context, "ada") == ["ada-1", "ada-22"]


def test_an_id_that_is_a_beginning_of_another_means_itself_also_once_it_is_gone(place: Place) -> None:
    place.stored("ada", Status.ACTIVE)
    place.stored("ada-2", Status.ACTIVE)
    context = place.context()
    assert full_id(context, "ada") == "ada"
    destroy(context, "ada")
    assert full_id(context, "ada", leftovers=True) == "ada", "destroyed twice, it must never reach the other one"
    assert full_id(context, "ad") == "ada-2"
    with pytest.raises(RefusedError, match="could be ada, ada-2"):
        full_id(context, "ad", ended=True)


def test_a_beginning_that_is_the_name_of_something_left_on_aws_means_that(place: Place) -> None:
    place.stored("ada-2", Status.ACTIVE)
    assert full_id(place.context(), "ada", leftovers=True) == "ada-2"
    a_target_group(place.aws, "ada", place.values)
    assert full_id(place.context(), "ada", leftovers=True) == "ada"


def test_the_password_is_read_from_ssm_and_an_interview_that_has_none_is_named(place: Place) -> None:
    request = place.request(starts_at=place.clock() + timedelta(hours=1))
    create(place.context(), request)
    assert stored_password(place.context(), request.id, place.prefix) == request.password
    place.stored("none", Status.ACTIVE)
    with pytest.raises(RefusedError, match="SSM holds no password of interview none, which is active"):
        stored_password(place.context(), "none", place.prefix)
    with pytest.raises(RefusedError, match="there is no interview nobody"):
        stored_password(place.context(), "nobody", place.prefix)
