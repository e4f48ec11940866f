"""An upgrade while interviews run."""

from datetime import timedelta
from pathlib import Path

import pytest

from scripts.interviews.create import create
from scripts.interviews.destroy import destroy
from scripts.interviews.drift import drift
from scripts.interviews.extend import extend
from scripts.interviews.recover import recover
from tests.interviews.conftest import Place, publish
from tests.test_upgrade import SNAPSHOTS

EARLIER = sorted(path for path in SNAPSHOTS.iterdir() if path.is_dir())
"""The template set of each earlier release."""


@pytest.mark.parametrize("templates", EARLIER, ids=lambda path: path.name)
def test_an_interview_of_an_earlier_release_goes_on_is_extended_and_is_destroyed_after_an_upgrade(
    place: Place, templates: Path
) -> None:
    # The default of 0.2.0, which every shared stack of it published.
    values = place.values | {"challenge_loader_image": "public.ecr.aws/aws-cli/aws-cli:2.27.0"}
    earlier = publish(values, place.aws, 10, templates=templates)
    request = place.request()
    created = create(place.context(), request)
    assert created is not None
    assert created.intent.release_digest == earlier
    before = place.live(request.id)

    assert publish(place.values, place.aws, 10) != earlier
    context = place.context()
    assert drift(context, request.id) == []
    extended = extend(context, request.id, timedelta(minutes=30))
    assert (extended.deadline, extended.release_digest) == (created.intent.deadline + timedelta(minutes=30), earlier)
    assert recover(context, request.id).did == "nothing: it is as it should be"
    assert place.live(request.id) == before
    ended = destroy(context, request.id)
    assert (ended.existed, ended.unsaved, ended.work) == (True, "", None)  # a task of that time saves no work
    assert place.live(request.id) == {}
