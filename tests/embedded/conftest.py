"""An embedded AWS, and clients that check nothing themselves before they send a request."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from scripts.embedded.launcher import EmbeddedAws

Client = Callable[[str], Any]
Refusal = tuple[str, str]


def clients(embedded: EmbeddedAws, **credentials: str) -> Client:
    session = boto3.Session(
        region_name=embedded.region,
        aws_access_key_id=credentials.get("AccessKeyId", "embedded"),
        aws_secret_access_key=credentials.get("SecretAccessKey", "embedded"),
        aws_session_token=credentials.get("SessionToken"),
    )
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    return lambda service: session.client(service, endpoint_url=embedded.endpoint, config=config)  # type: ignore[call-overload]


def refused(call: Callable[..., Any], **parameters: Any) -> Refusal:
    """The code and the message that ``call`` is refused with."""
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws.start(log=tmp_path_factory.mktemp("embedded") / "requests.log") as started:
        yield started


@pytest.fixture(scope="session")
def client(embedded: EmbeddedAws) -> Client:
    return clients(embedded)
