"""What `interview create` learns about challenges."""

import re

import pytest

from contract.limits import CHALLENGE_PATTERN
from scripts.challenges.catalog import ChallengeBucket
from scripts.challenges.names import LONGEST_NAME, is_name, name_of, version_path
from scripts.challenges.publish import publish
from scripts.challenges.source import read_challenges
from scripts.errors import ChallengeError
from tests.challenges.conftest import Tree, is_usable


@pytest.fixture
def published(bucket: ChallengeBucket, tree: Tree) -> ChallengeBucket:
    names = ("python/rate-limiter", "sql/bike-share", "javascript/bike-share")
    for challenge in read_challenges(tree({f"{name}/README.md": f"# {name}\n" for name in names})):
        publish(bucket, challenge)
    return bucket


def test_it_names_what_is_published(published: ChallengeBucket) -> None:
    assert published.names() == [
        "javascript/bike-share", "python/rate-limiter", "sql/bike-share",
    ]  # fmt: skip


def test_only_a_whole_name_exists(published: ChallengeBucket) -> None:
    asked = ("python/rate-limiter", "python/rate-limite", "python", "python/rate-limiter/", "versions/python", "../x")
    assert [name for name in asked if is_usable(published, name)] == ["python/rate-limiter"]


def test_files_without_a_manifest_are_no_challenge(published: ChallengeBucket) -> None:
    published.aws.s3.put_object(Bucket=published.name, Key="challenge/python/half/README.md", Body=b"# Half")
    assert not is_usable(published, "python/half")


def test_a_pin_is_what_the_template_takes_for_a_challenge(published: ChallengeBucket) -> None:
    pinned = published.find("python/rate-limiter").path
    assert re.fullmatch(CHALLENGE_PATTERN, pinned)
    assert name_of(pinned) == "python/rate-limiter"


def test_the_longest_name_still_fits_the_template() -> None:
    name = "python/" + "x" * (LONGEST_NAME - len("python/"))
    assert is_name(name)
    assert len(version_path(name, "0" * 64)) <= 128
    assert not is_name(name + "x")


def test_an_unknown_name_is_answered_with_similar_ones(published: ChallengeBucket) -> None:
    answers = {
        "python/rate-limitr": 'there is no challenge "python/rate-limitr"; did you mean python/rate-limiter?',
        "rate-limiter": 'there is no challenge "rate-limiter"; did you mean python/rate-limiter?',
        "cobol/payroll": 'there is no challenge "cobol/payroll", expected one of `prequel challenge list`',
    }
    for asked, answer in answers.items():
        with pytest.raises(ChallengeError) as raised:
            published.find(asked)
        assert str(raised.value) == answer


def test_a_bare_name_of_two_kinds_is_answered_with_both(published: ChallengeBucket) -> None:
    with pytest.raises(ChallengeError) as raised:
        published.find("bike-share")
    assert "sql/bike-share" in str(raised.value)
    assert "javascript/bike-share" in str(raised.value)


def test_where_nothing_is_published_the_error_says_how(bucket: ChallengeBucket) -> None:
    assert bucket.names() == []
    with pytest.raises(ChallengeError, match="nor any other; publish with `prequel challenge publish`"):
        bucket.find("python/rate-limiter")
