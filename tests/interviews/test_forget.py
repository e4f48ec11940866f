"""Removing what remains of an interview that is over."""

import pytest

from scripts.errors import RefusedError
from scripts.interviews.create import create
from scripts.interviews.destroy import destroy
from scripts.interviews.forget import forget, remains
from scripts.interviews.listing import all_rows, details
from scripts.interviews.records import Status
from tests.interviews.conftest import Place


def everything(place: Place) -> str:
    """The content of every version of every object in the bucket."""
    name, s3 = place.values["instance_bucket_name"], place.aws.s3
    found = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        for entry in page.get("Versions", []):
            body = s3.get_object(Bucket=name, Key=entry["Key"], VersionId=entry["VersionId"])["Body"].read()
            found.append(entry["Key"] + body.decode(errors="replace"))
    return "\n".join(found)


def test_no_version_of_any_object_holds_the_name_afterwards(place: Place) -> None:
    request = place.request(candidate_name="Grace Hopper 7c1")
    create(place.context(), request)
    destroy(place.context(), request.id)
    place.stored("other", Status.ACTIVE)
    assert "Grace Hopper 7c1" in everything(place)
    keys = forget(place.context(), request.id)
    assert any(key.startswith(f"history/{request.id}/") for key in keys)
    assert "Grace Hopper 7c1" not in everything(place)
    lines = [line for line in everything(place).splitlines() if request.id in line]
    assert all('"interview_id"' in line for line in lines), "only leases of slots, which hold no name"
    assert [row["id"] for row in all_rows(place.context(), ended=True)[0]] == ["other"]
    with pytest.raises(RefusedError, match="there is no interview"):
        details(place.context(), request.id)


def test_an_interview_that_is_not_over_or_that_nobody_knows_is_refused(place: Place) -> None:
    place.stored("ada", Status.ACTIVE)
    with pytest.raises(RefusedError, match="interview ada is not over; run `prequel interview destroy ada`"):
        forget(place.context(), "ada")
    with pytest.raises(RefusedError, match="nothing is known of an interview nobody"):
        forget(place.context(), "nobody")


def test_an_id_that_begins_alike_keeps_everything(place: Place) -> None:
    for name in ("ada", "ada-2"):
        place.stored(name, Status.ACTIVE)
        destroy(place.context(), name)
    before = remains(place.context(), "ada-2")
    forget(place.context(), "ada")
    assert remains(place.context(), "ada-2") == before
