"""The settings of ``backend.config``; an error message about a field ends with its ``description``."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stacks.regions import Region

LONGEST_KEY_BYTES = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""


class BackendSettings(BaseModel):
    """The settings of ``backend.config``: Terraform's S3 backend, without credentials
    (https://developer.hashicorp.com/terraform/language/backend/s3).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="the name of an existing bucket")
    key: str = Field(min_length=1, description="the state's key in the bucket")
    region: Region
    encrypt: bool = Field(default=True, description="true or false")
    use_lockfile: bool = Field(default=True, description="true or false")
    kms_key_id: str | None = Field(default=None, min_length=1, description="the ARN of a KMS key")
    profile: str | None = Field(default=None, min_length=1, description="a profile of the AWS configuration")
    use_path_style: bool | None = Field(default=None, description="true or false")
    skip_credentials_validation: bool | None = Field(default=None, description="true or false")
    skip_metadata_api_check: bool | None = Field(default=None, description="true or false")
    skip_region_validation: bool | None = Field(default=None, description="true or false")
    skip_requesting_account_id: bool | None = Field(default=None, description="true or false")
    skip_s3_checksum: bool | None = Field(default=None, description="true or false")

    @field_validator("key")
    @classmethod
    def _key_is_one_of_terraforms(cls, key: str) -> str:
        # Terraform's S3 backend refuses others (internal/backend/remote-state/s3/validate.go); S3 counts bytes.
        if key.startswith("/") or key.endswith("/") or "//" in key:
            raise ValueError("the state's key in the bucket without / at its beginning or end, or twice in a row")
        if len(key.encode()) > LONGEST_KEY_BYTES:
            raise ValueError(f"a key of at most {LONGEST_KEY_BYTES} bytes in UTF-8")
        return key
