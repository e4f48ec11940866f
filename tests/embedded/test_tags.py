"""Tags that AWS refuses are refused by each service, with its own code."""

from typing import Any

import pytest

from scripts.embedded.checks.tags import SERVICES
from tests.embedded.conftest import Client, refused

Tags = dict[str, str]


def _pairs(tags: Tags, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    return [{key: name, value: given} for name, given in tags.items()]


def call(service: str, tags: Tags) -> tuple[str, dict[str, Any]]:
    """A call of ``service`` that gives something these tags, and is otherwise right."""
    pairs, lower = _pairs(tags), _pairs(tags, "key", "value")
    trust = '{"Version": "2012-10-17", "Statement": []}'
    vpc_tags = [{"ResourceType": "vpc", "Tags": pairs}]
    arn = f"arn:aws:{service}:us-east-1:123456789012:x"
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "acm": ("request_certificate", {"DomainName": "example.com", "Tags": pairs}),
        "cloudwatch": ("tag_resource", {"ResourceARN": arn, "Tags": pairs}),
        "codebuild": (
            "create_project",
            {
                "name": "tagged",
                "source": {"type": "NO_SOURCE"},
                "artifacts": {"type": "NO_ARTIFACTS"},
                "environment": {"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
                "serviceRole": "x",
                "tags": lower,
            },
        ),
        "ec2": ("create_vpc", {"CidrBlock": "10.0.0.0/16", "TagSpecifications": vpc_tags}),
        "ecr": ("create_repository", {"repositoryName": "tagged", "tags": pairs}),
        "ecs": ("create_cluster", {"clusterName": "tagged", "tags": lower}),
        "elbv2": ("create_target_group", {"Name": "tagged", "Tags": pairs}),
        "events": ("put_rule", {"Name": "tagged", "ScheduleExpression": "rate(1 minute)", "Tags": pairs}),
        "iam": ("create_role", {"RoleName": "tagged", "AssumeRolePolicyDocument": trust, "Tags": pairs}),
        "kms": ("create_key", {"Tags": _pairs(tags, "TagKey", "TagValue")}),
        "lambda": ("tag_resource", {"Resource": "arn:aws:lambda:us-east-1:123456789012:function:x", "Tags": tags}),
        "logs": ("create_log_group", {"logGroupName": "tagged", "tags": tags}),
        "route53": ("change_tags_for_resource", {"ResourceType": "hostedzone", "ResourceId": "Z1", "AddTags": pairs}),
        "s3": ("put_bucket_tagging", {"Bucket": "tagged", "Tagging": {"TagSet": pairs}}),
        "sns": ("create_topic", {"Name": "tagged", "Tags": pairs}),
        "sqs": ("create_queue", {"QueueName": "tagged", "tags": tags}),
        "ssm": ("put_parameter", {"Name": "/tagged", "Value": "x", "Type": "String", "Tags": pairs}),
    }
    return calls[service]


@pytest.mark.parametrize("service", SERVICES)
def test_a_reserved_key_is_refused(service: str, client: Client) -> None:
    method, parameters = call(service, {"aws:mine": "x"})
    code, message = refused(getattr(client(service), method), **parameters)
    assert (code, message) == (SERVICES[service].reserved_code, SERVICES[service].reserved_message)


@pytest.mark.parametrize("service", SERVICES)
def test_a_character_that_tags_may_not_have_is_refused_where_aws_does(service: str, client: Client) -> None:
    method, parameters = call(service, {"Why": "because (of this)"})
    if SERVICES[service].any_character:
        getattr(client(service), method)(**parameters)
    else:
        assert refused(getattr(client(service), method), **parameters)[0]


@pytest.mark.parametrize("service", SERVICES)
def test_more_than_fifty_are_refused(service: str, client: Client) -> None:
    method, parameters = call(service, {f"key{number}": "x" for number in range(51)})
    assert refused(getattr(client(service), method), **parameters)[0]


def test_an_object_has_ten_at_most(client: Client) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="ten-tags")
    put = {"Bucket": "ten-tags", "Key": "x", "Body": b""}
    s3.put_object(**put, Tagging="&".join(f"key{number}=x" for number in range(10)))
    eleven = "&".join(f"key{number}=x" for number in range(11))
    assert refused(s3.put_object, **put, Tagging=eleven) == ("BadRequest", "Object tags cannot be greater than 10")
