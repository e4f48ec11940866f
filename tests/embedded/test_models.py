"""A call that AWS's own service models do not allow is refused, in each protocol, in the service's own format."""

import json
from http.client import HTTPConnection
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from moto.core.utils import get_service_model

from scripts.embedded.checks.models import EXCEPTIONS, compiled
from scripts.embedded.launcher import EmbeddedAws
from tests.embedded.conftest import Client, refused

SERVICES = """
    acm application-autoscaling budgets cloudwatch codebuild ec2 ecr ecs elbv2 events iam kms lambda logs route53 s3
    service-quotas sns sqs ssm sts
""".split()  # noqa: SIM905
FORM = "application/x-www-form-urlencoded"


def send(
    embedded: EmbeddedAws,
    service: str,
    body: str,
    *,
    path: str = "/",
    content_type: str = FORM,
    target: str = "",
    method: str = "POST",
) -> tuple[int, str]:
    """An answer to a request that no client library would make."""
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential=embedded/20260101/us-east-1/{service}/aws4_request, Signature=0",
        "Content-Type": content_type,
        **({"X-Amz-Target": target} if target else {}),
    }
    connection = HTTPConnection(urlsplit(embedded.endpoint).netloc, timeout=30)
    connection.request(method, path, body.encode(), headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_required_member_is_missed(client: Client) -> None:
    assert refused(client("ec2").create_security_group, GroupName="x")[0] == "MissingParameter"
    code, message = refused(client("lambda").create_function, FunctionName="x")
    assert code == "ValidationException"
    assert "Value null at 'role' failed to satisfy constraint: Member must not be null" in message
    assert refused(client("elbv2").create_target_group, Port=80)[0] == "ValidationError"
    assert refused(client("route53").create_hosted_zone, Name="example.com")[0] == "InvalidInput"


def test_an_enum_a_length_a_range_and_a_pattern_are_kept(client: Client) -> None:
    code, message = refused(client("ssm").put_parameter, Name="/x", Value="x", Type="Text")
    assert code == "ValidationException"
    assert message.endswith("Member must satisfy enum value set: [String, StringList, SecureString]")
    code, message = refused(client("iam").create_role, RoleName="x" * 65, AssumeRolePolicyDocument="{}")
    assert code == "ValidationError"
    assert message.endswith(
        "at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64"
    )
    code, message = refused(client("elbv2").set_rule_priorities, RulePriorities=[{"RuleArn": "x", "Priority": 50001}])
    assert code == "ValidationError"
    assert "'rulePriorities.1.member.priority'" in message
    assert "value less than or equal to 50000" in message
    code, message = refused(client("logs").create_log_group, logGroupName="two words")
    assert code == "InvalidParameterException"
    assert message.endswith(r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+")


def test_all_that_is_wrong_is_said_at_once(client: Client) -> None:
    _, message = refused(client("events").put_rule, Name="a b", State="MAYBE")
    assert message.startswith("2 validation errors detected: ")


def test_a_secret_value_is_not_repeated(client: Client) -> None:
    _, message = refused(client("ssm").put_parameter, Name="x" * 2049, Value="", Type="Text")
    assert "secret" not in refused(client("ssm").put_parameter, Name="/x", Value=["secret"], Type="String")[1]
    assert "Value 'Text'" in message


@pytest.mark.parametrize(
    ("service", "form", "code"),
    [
        ("ec2", "Action=DescribeEverything&Version=2016-11-15", "InvalidAction"),
        ("ec2", "Action=DescribeVpcs&Version=2016-11-15&Colour=red", "UnknownParameter"),
        ("iam", "Action=GetEverything&Version=2010-05-08", "InvalidAction"),
        ("iam", "Action=ListRoles&Version=2010-05-08&MaxItems=many", "MalformedInput"),
    ],
)
def test_a_form_that_the_model_does_not_have_is_refused(
    embedded: EmbeddedAws, service: str, form: str, code: str
) -> None:
    status, answer = send(embedded, service, form)
    assert status == 400
    assert [node.text for node in ET.fromstring(answer).iter() if node.tag.endswith("Code")] == [code]  # noqa: S314


@pytest.mark.parametrize(
    ("operation", "body", "code"),
    [
        ("ListEverything", "{}", "UnknownOperationException"),
        ("ListClusters", '{"colour": 1}', "SerializationException"),
        ("ListClusters", '{"maxResults": "5"}', "SerializationException"),
        ("ListClusters", '["maxResults"]', "SerializationException"),
    ],
)
def test_json_that_the_model_does_not_have_is_refused(
    embedded: EmbeddedAws, operation: str, body: str, code: str
) -> None:
    target = f"AmazonEC2ContainerServiceV20141113.{operation}"
    status, answer = send(embedded, "ecs", body, content_type="application/x-amz-json-1.1", target=target)
    assert (status, json.loads(answer)["__type"].rpartition("#")[2]) == (400, code)


def test_xml_that_the_schema_does_not_have_is_refused(embedded: EmbeddedAws, client: Client) -> None:
    client("s3").create_bucket(Bucket="schema")
    body = "<VersioningConfiguration><Status>Enabled</Status><Colour>red</Colour></VersioningConfiguration>"
    status, answer = send(embedded, "s3", body, path="/schema?versioning", method="PUT")
    assert (status, "<Code>MalformedXML</Code>" in answer) == (400, True)


def test_an_object_passes_unchanged(client: Client) -> None:
    s3, content = client("s3"), bytes(range(256)) * 1000
    s3.create_bucket(Bucket="unchanged")
    s3.put_object(Bucket="unchanged", Key="a b/ü+%.bin", Body=content)
    assert s3.get_object(Bucket="unchanged", Key="a b/ü+%.bin")["Body"].read() == content
    assert s3.list_objects_v2(Bucket="unchanged")["Contents"][0]["Key"] == "a b/ü+%.bin"


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_of_the_models_can_be_checked(service: str) -> None:
    model = get_service_model(service)
    for name in model.shape_names:
        pattern = model.shape_for(name).metadata.get("pattern")
        if pattern:
            compiled(pattern)


def test_an_exception_names_a_shape_that_exists() -> None:
    for service, name in EXCEPTIONS:
        assert name in get_service_model(service).shape_names, (service, name)
