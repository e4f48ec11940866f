"""Container image repositories."""

import json

from constructs import Construct
from constructs.aws import (
    EcrLifecyclePolicy,
    EcrRepository,
    EcrRepositoryEncryptionConfiguration,
    EcrRepositoryImageScanningConfiguration,
)
from constructs.policy import allow
from constructs.project import Project

UNTAGGED_IMAGE_DAYS = 7

SIGN_IN = allow("SignInToRegistry", ["ecr:GetAuthorizationToken"], ["*"])
"""Signing in to ECR concerns no repository, so AWS offers no narrower resource."""

PUSH_ACTIONS = [
    *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload"),
    *("ecr:PutImage", "ecr:UploadLayerPart"),
]
"""https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html"""


class Repository(Construct):
    """A repository whose tags never move, whose images are scanned on push and encrypted with our key.

    Untagged images go after a week, but never those of an image index that has a tag
    (https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html). Tagged ones stay until they
    are deleted: ECR cannot know which of them a release or a running interview needs.
    Outputs: ``url`` (without a tag) and ``name``.
    """

    def __init__(self, scope: Construct, id: str, *, project: Project, name: str) -> None:
        super().__init__(scope, id)
        repository = EcrRepository(
            self,
            "repository",
            name=name,
            image_tag_mutability="IMMUTABLE",
            force_delete=not project.deletion_protection,
            image_scanning_configuration=EcrRepositoryImageScanningConfiguration(scan_on_push=True),
            encryption_configuration=[
                EcrRepositoryEncryptionConfiguration(encryption_type="KMS", kms_key=project.key.arn)
            ],
        )
        rules = [
            {
                "rulePriority": 1,
                "description": f"Untagged images go after {UNTAGGED_IMAGE_DAYS} days",
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": UNTAGGED_IMAGE_DAYS,
                },
                "action": {"type": "expire"},
            },
        ]
        EcrLifecyclePolicy(self, "lifecycle", repository=repository.name, policy=json.dumps({"rules": rules}))
        self.name = repository.name
        self.url = repository.repository_url
