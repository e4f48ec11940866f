"""A challenge is removed only when no interview uses it, and then wholly."""

import json
from typing import Any

import pytest

from scripts.aws.bucket import LostRaceError
from scripts.challenges.catalog import ChallengeBucket
from scripts.challenges.names import version_path
from scripts.challenges.publish import publish
from scripts.challenges.remove import remove
from scripts.challenges.source import read_challenges
from scripts.errors import AwsError, ChallengeError
from tests.challenges.conftest import Calls, Killed, Tree, beside, is_usable, stored

NAME = "python/rate"
NEIGHBOUR = "python/rate-limiter"


@pytest.fixture
def published(bucket: ChallengeBucket, tree: Tree) -> ChallengeBucket:
    """A bucket with a challenge in two versions, and another whose name begins alike."""
    publish(bucket, read_challenges(tree({f"{NAME}/README.md": "# Rate\n", f"{NAME}/rate.py": "old"}))[0])
    for challenge in read_challenges(tree({f"{NAME}/rate.py": "new", f"{NEIGHBOUR}/README.md": "# Limiter\n"})):
        publish(bucket, challenge)
    return bucket


def interview(bucket: ChallengeBucket, status: str, challenge: str = NAME, id: str = "ada") -> None:
    document = {"id": id, "status": status, "inputs": {"candidate_name": "Ada", "challenge": challenge}}
    workspace(bucket, f"{id}/interview.json", json.dumps(document))


def workspace(bucket: ChallengeBucket, path: str, content: str) -> None:
    beside(bucket).aws.s3.put_object(Bucket=bucket.name, Key=f"workspaces/{path}", Body=content.encode())


def test_every_version_of_it_goes_and_nothing_of_another(published: ChallengeBucket) -> None:
    neighbours = {key: content for key, content in stored(published, "").items() if NEIGHBOUR in key}
    assert remove(published, NAME) == 2 * 1 + 2 + 1  # two versions, the plain copy, the manifest
    assert stored(published, "") == neighbours
    assert published.names() == [NEIGHBOUR]


def test_versioning_can_bring_it_back(published: ChallengeBucket) -> None:
    remove(published, NAME)
    versions = published.aws.s3.list_object_versions(Bucket=published.name, Prefix=f"challenge/{NAME}/rate.py")
    assert [bool(versions.get(kind)) for kind in ("Versions", "DeleteMarkers")] == [True, True]


def test_an_interview_in_any_unfinished_status_protects_it(published: ChallengeBucket) -> None:
    before = stored(published, "challenge")
    for status in ("scheduled", "creating", "active", "destroying", "failed", "leaking", "unheard-of"):
        interview(published, status)
        with pytest.raises(ChallengeError, match=f"^{NAME} is in use by the interview ada; destroy"):
            remove(published, NAME)
    assert stored(published, "challenge") == before


def test_an_interview_that_is_gone_or_uses_another_does_not_protect_it(published: ChallengeBucket) -> None:
    interview(published, "destroyed", id="ada")
    interview(published, "active", NEIGHBOUR, id="grace")
    interview(published, "active", version_path(NEIGHBOUR, "0" * 64), id="edsger")
    workspace(published, "history/ada/interview.json", "{}")  # not a workspace's own file
    remove(published, NAME)
    with pytest.raises(ChallengeError, match=r"in use by the interviews edsger, grace; destroy them first"):
        remove(published, NEIGHBOUR)


def test_an_interview_on_any_version_protects_it(published: ChallengeBucket) -> None:
    interview(published, "active", version_path(NAME, "0" * 64))
    assert published.users(NAME) == ["ada"]


def test_a_plain_clients_workspace_protects_it(published: ChallengeBucket) -> None:
    workspace(published, "ada/terraform.tfvars", f'interview_id = "ada"\nchallenge    = "{NAME}"\n')
    assert published.users(NAME) == ["ada"]


def test_an_unreadable_interview_protects_every_challenge(published: ChallengeBucket) -> None:
    for content in ("", "[]", "{}", '{"status": "active"}', '{"status": "active", "inputs": {}}'):
        workspace(published, "ada/interview.json", content)
        with pytest.raises(ChallengeError, match=r"workspaces/ada/interview\.json does not say which challenge"):
            remove(published, NAME)
    assert is_usable(published, NAME)


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failed_listing_is_not_an_empty_one(published: ChallengeBucket, failing: int) -> None:
    before = stored(published, "challenge/")
    listings: list[str] = []

    def fail(params: dict[str, Any], **_: object) -> None:
        listings.extend(["workspaces/"] if params["Prefix"] == "workspaces/" else [])
        if len(listings) == failing:
            params["Bucket"] = "no-such-bucket"

    remover = beside(published)
    remover.aws.s3.meta.events.register("before-parameter-build.s3.ListObjectsV2", fail)
    with pytest.raises(AwsError):
        remove(remover, NAME)
    assert len(listings) == failing
    assert stored(published, "challenge/") == before
    assert is_usable(published, NAME)


def test_an_interview_that_begins_meanwhile_either_stops_the_removal_or_is_stopped_by_it(
    published: ChallengeBucket,
) -> None:
    """The intent is written just before the challenge is retired: too late for the first look, in time for the last."""
    remover = beside(published)
    created: list[str] = []

    def begin(params: dict[str, Any], **_: object) -> None:
        if params["Key"].startswith("challenge-manifests/") and not created:
            interview(published, "creating")
            created.append(published.find(NAME).path)

    remover.aws.s3.meta.events.register("before-parameter-build.s3.PutObject", begin)
    before = stored(published, "challenge/")
    with pytest.raises(ChallengeError, match="in use by the interview ada"):
        remove(remover, NAME)
    assert stored(published, "challenge/") == before
    assert published.find(NAME).path == created[0]


@pytest.mark.parametrize("survived", range(6))
def test_killed_after_n_writes_nobody_gets_a_part_of_it_and_the_next_call_completes(
    published: ChallengeBucket, survived: int
) -> None:
    killed = beside(published)
    Calls(killed, kill_before=survived)
    with pytest.raises(Killed):
        remove(killed, NAME)
    assert is_usable(published, NAME) == (survived == 0)
    if survived:
        with pytest.raises(ChallengeError, match=rf"^{NAME} is being removed since 20.*; choose another challenge"):
            published.find(NAME)
    remove(published, NAME)
    assert [key for key in stored(published, "") if NEIGHBOUR not in key] == []


def test_what_is_being_removed_is_not_published_over(published: ChallengeBucket, tree: Tree) -> None:
    killed = beside(published)
    Calls(killed, kill_before=3)
    with pytest.raises(Killed):
        remove(killed, NAME)
    challenge = read_challenges(tree({}))[0]
    with pytest.raises(ChallengeError, match=f"finish it with `prequel challenge remove {NAME}`, then publish again"):
        publish(published, challenge)
    remove(published, NAME)
    assert publish(published, challenge).status == "new"


def test_a_slow_removal_does_not_undo_a_publish_that_came_after_a_faster_one(
    published: ChallengeBucket, tree: Tree
) -> None:
    slow = beside(published)
    overtaken: list[str] = []

    def overtake(params: dict[str, Any], **_: object) -> None:
        if params["Key"].startswith("challenge-manifests/") and not overtaken:
            overtaken.append(params["Key"])
            remove(published, NAME)
            publish(published, read_challenges(tree({}))[0])

    slow.aws.s3.meta.events.register("before-parameter-build.s3.DeleteObject", overtake)
    with pytest.raises(LostRaceError, match="was just written by somebody else"):
        remove(slow, NAME)
    assert overtaken
    assert is_usable(published, NAME)


def test_what_was_never_published_is_not_removed_and_similar_names_are_suggested(published: ChallengeBucket) -> None:
    with pytest.raises(ChallengeError, match=r'^there is no challenge "python/rat"; did you mean python/rate'):
        remove(published, "python/rat")


@pytest.mark.parametrize("name", ["", "python", "python/", "../secrets", "versions/python/rate", "python/rate/deep"])
def test_what_cannot_name_a_challenge_is_not_removed(bucket: ChallengeBucket, name: str) -> None:
    calls = Calls(bucket)
    with pytest.raises(ChallengeError, match="cannot name a challenge, expected kind/name"):
        remove(bucket, name)
    assert calls.made == []
