"""An interview's whole life, with the real terraform and provider."""

import io
import json

import pytest

from scripts.interviews.create import create
from scripts.interviews.destroy import destroy
from scripts.interviews.listing import all_rows
from tests.interviews.conftest import Place

pytestmark = pytest.mark.e2e


def test_an_interview_is_created_listed_and_proven_gone(place: Place) -> None:
    said = io.StringIO()
    request = place.request()
    created = create(place.site(out=said), request)
    assert created is not None
    assert created.intent.status == "active"
    assert created.access_url == f"http://{request.id}.{place.values['domain_name']}"
    assert set(place.live(request.id)) == {"service", "target group", "rule", "task definition", "password"}
    rows, unreadable = all_rows(place.site())
    assert [row["id"] for row in rows] == [request.id]
    assert not unreadable

    done = destroy(place.site(), request.id)
    assert done.existed
    assert "service: none" in done.evidence
    assert place.live(request.id) == {}
    assert [key.split("/")[0] for key in place.objects()] == ["history"]
    events = [json.loads(line) for line in said.getvalue().splitlines()]
    assert {"status", "slot", "resource"} <= {event["event"] for event in events}
