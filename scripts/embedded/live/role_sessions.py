"""Credentials of roles, as AWS's services get them: from STS, for an hour."""

from typing import Any

import boto3


class RoleSessions:
    """Assumes roles on the embedded AWS at ``endpoint``."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._session = boto3.Session(aws_access_key_id="embedded", aws_secret_access_key="embedded")  # noqa: S106

    def credentials(self, role_arn: str, region: str, session_name: str) -> dict[str, Any]:
        """``AccessKeyId``, ``SecretAccessKey``, ``SessionToken`` and ``Expiration``."""
        sts = self._session.client("sts", region_name=region, endpoint_url=self.endpoint)
        assumed = sts.assume_role(RoleArn=role_arn, RoleSessionName=session_name[:64])
        return dict(assumed["Credentials"])

    def session(self, role_arn: str, region: str, session_name: str) -> boto3.Session:
        """A session with those credentials."""
        given = self.credentials(role_arn, region, session_name)
        return boto3.Session(
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            region_name=region,
        )

    def environment(self, role_arn: str, region: str, session_name: str) -> dict[str, str]:
        """The environment variables with which any AWS client uses them and this AWS."""
        given = self.credentials(role_arn, region, session_name)
        return {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }
