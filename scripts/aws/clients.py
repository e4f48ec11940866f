"""AWS's own API, one client a service, all from the caller's ordinary credentials."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, TypedDict

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from scripts.aws.proxies import is_here
from scripts.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_codebuild import CodeBuildClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import GetCallerIdentityResponseTypeDef


REFUSED_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
"""AWS's codes for credentials that it does not take (any more); services differ in their words."""

DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "NotAuthorized",
        "UnauthorizedOperation",
    }
)
"""AWS's codes for a right that the caller lacks; services differ in their words."""

MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
"""How S3 says that there is no such object."""

CONFLICTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
"""How S3 says that somebody else was faster
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html)."""


class Clock:
    """The time by AWS: this machine's, corrected by what AWS's answers say if it differs by more than a minute.

    ``report`` gets one line about the difference, once.
    """

    TOLERANCE = timedelta(minutes=1)

    def __init__(self, report: Callable[[str], None] | None = None) -> None:
        self._report = report
        self._difference = timedelta()

    def __call__(self) -> datetime:
        """The time now, in UTC."""
        return datetime.now(UTC) + self._difference

    def hear(self, http_response: Any, **_: Any) -> None:
        """Compares the clocks by the Date of an answer (https://www.rfc-editor.org/rfc/rfc9110#field.date)."""
        try:
            date = parsedate_to_datetime(http_response.headers["date"])
            difference = date - datetime.now(UTC)
        except (AttributeError, KeyError, TypeError, ValueError):
            return
        self._difference = difference if abs(difference) > self.TOLERANCE else timedelta()
        if self._difference and self._report is not None:
            side = "behind" if difference > timedelta() else "ahead of"
            amount = timedelta(seconds=round(abs(difference).total_seconds()))
            report, self._report = self._report, None
            report(f"this machine's clock is {amount} {side} AWS's, whose time is used; set the clock")


class OwnBucket(TypedDict):
    """What names a bucket in a request, so that S3 refuses it when it is another account's
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html)."""

    Bucket: str
    ExpectedBucketOwner: str


class Aws:
    """Clients for one region, made when first used; safe to share between threads.

    Transient errors are retried with exponential back-off and jitter by botocore's standard mode
    (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
    """

    cloudwatch: cached_property[Any] = cached_property(lambda aws: aws.client("cloudwatch"))
    codebuild: "cached_property[CodeBuildClient]" = cached_property(lambda aws: aws.client("codebuild"))
    ec2: "cached_property[EC2Client]" = cached_property(lambda aws: aws.client("ec2"))
    ecs: "cached_property[ECSClient]" = cached_property(lambda aws: aws.client("ecs"))
    elbv2: "cached_property[ElasticLoadBalancingv2Client]" = cached_property(lambda aws: aws.client("elbv2"))
    lambda_: "cached_property[LambdaClient]" = cached_property(lambda aws: aws.client("lambda"))
    route53: "cached_property[Route53Client]" = cached_property(lambda aws: aws.client("route53"))
    s3: "cached_property[S3Client]" = cached_property(lambda aws: aws.client("s3"))
    ssm: "cached_property[SSMClient]" = cached_property(lambda aws: aws.client("ssm"))
    sts: "cached_property[STSClient]" = cached_property(lambda aws: aws.client("sts"))

    def __init__(
        self,
        region: str,
        *,
        session: boto3.Session | None = None,
        endpoint: str | None = None,
        report_clock: Callable[[str], None] | None = None,
    ) -> None:
        self.region = region
        self.now = Clock(report_clock)
        self._session = session or boto_session()
        self._making = Lock()
        self._endpoint = endpoint

    def client(self, service: str) -> Any:
        """A new client for ``service``."""
        endpoint = self._endpoint or os.environ.get("AWS_ENDPOINT_URL", "")
        config = Config(
            # An empty mapping means none, whatever the environment says.
            proxies={} if is_here(endpoint) else None,
            retries={"mode": "standard", "total_max_attempts": 6},
            connect_timeout=5,
            read_timeout=30,
            max_pool_connections=32,
        )
        # Clients are made for threads, sessions are not
        # (https://boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients).
        with self._making:
            made: Any = self._session.client(service, self.region, endpoint_url=self._endpoint, config=config)  # type: ignore[call-overload]
        made.meta.events.register("after-call", self.now.hear)
        return made

    @cached_property
    def _caller(self) -> "GetCallerIdentityResponseTypeDef":
        with explained("find out which AWS account this is"):
            return self.sts.get_caller_identity()

    @cached_property
    def account_id(self) -> str:
        """The account of the caller's credentials; raises ``AwsError`` when there are none."""
        return self._caller["Account"]

    def own_bucket(self, name: str) -> OwnBucket:
        """The bucket ``name``, if it is this account's; raises ``AwsError`` when there are no credentials."""
        return OwnBucket(Bucket=name, ExpectedBucketOwner=self.account_id)

    @cached_property
    def caller_arn(self) -> str:
        """Who the caller is, for records; raises ``AwsError`` when there are no credentials."""
        return self._caller["Arn"]


def boto_session(profile: str | None = None) -> boto3.Session:
    """The caller's credentials, of ``profile`` if given; raises ``AwsError`` when there is no such profile."""
    with explained("use the AWS profile"):
        return boto3.Session(profile_name=profile)


def error_code(error: ClientError) -> str:
    """AWS's short code of an error, such as ``NoSuchKey``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_clock_skew(error: ClientError) -> bool:
    """Whether AWS refused because this machine's clock is wrong; S3 and STS say so differently."""
    message = str(error.response.get("Error", {}).get("Message", ""))
    # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; STS answers SignatureDoesNotMatch.
    return error_code(error) in {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"} or message.startswith(
        ("Signature expired", "Signature not yet current")
    )


@contextmanager
def explained(purpose: str) -> Iterator[None]:
    """Turns any AWS error inside into one ``AwsError`` line: cannot ``purpose``: reason."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise AwsError(f"cannot {purpose}: {reason(error)}") from error


def reason(error: ClientError | BotoCoreError) -> str:
    """Why a call failed, in AWS's or botocore's words; where the credentials are why, with what to do."""
    if isinstance(error, ClientError):
        code = error_code(error)
        if is_clock_skew(error):
            return "this machine's clock differs from AWS's; set the clock"
        if code in REFUSED_CREDENTIALS:
            return f"AWS refuses these credentials ({code}); sign in again, or set AWS_PROFILE to others"
        message = str(error.response.get("Error", {}).get("Message", ""))
        return f"{code}: {' '.join(message.split())}"  # some services' messages have several lines
    if isinstance(error, NoCredentialsError):
        return "there are no AWS credentials; set AWS_PROFILE, or run `aws configure`"
    words = str(error).rstrip(".")
    if isinstance(error, ProfileNotFound):
        words += "; set AWS_PROFILE to one that `aws configure list-profiles` names"
    if isinstance(error, SSOError | TokenRetrievalError | CredentialRetrievalError):
        words += "; sign in again, such as with `aws sso login`"
    return words
