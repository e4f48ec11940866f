"""What moto 5.2 gets wrong or forgets, put right inside the server's process; each is worth a report to moto."""

import json
from types import SimpleNamespace
from typing import Any

from scripts.embedded.images import build_images

_FORGOTTEN_SERVICE_SETTINGS = {
    "deploymentConfiguration": "deployment_configuration",
    "availabilityZoneRebalancing": "availability_zone_rebalancing",
    "enableECSManagedTags": "enable_ecs_managed_tags",
    "healthCheckGracePeriodSeconds": "health_check_grace_period_seconds",
}
"""What moto 5.2 accepts in CreateService and does not return, so that every plan would show a change."""

_PROJECT_SETTINGS = (
    *("artifacts", "cache", "description", "encryptionKey", "environment", "logsConfig", "queuedTimeoutInMinutes"),
    *("serviceRole", "source", "sourceVersion", "tags", "timeoutInMinutes", "vpcConfig"),
)
"""https://docs.aws.amazon.com/codebuild/latest/APIReference/API_UpdateProject.html"""

_PLAIN_HTTP = ({"Bool": {"aws:SecureTransport": "false"}}, {"Bool": {"aws:SecureTransport": ["false"]}})


def remember_service_settings() -> None:
    """Makes moto's DescribeServices return the settings that CreateService was given, as AWS does."""
    from moto.ecs.responses import EC2ContainerServiceResponse

    responses: Any = EC2ContainerServiceResponse
    create_service = responses.create_service

    def create_and_remember(response: Any) -> Any:
        answer = create_service(response)
        service = answer.result["service"]
        for parameter, attribute in _FORGOTTEN_SERVICE_SETTINGS.items():
            value = response._get_param(parameter)
            if value is not None:
                setattr(service, attribute, value)
        return answer

    responses.create_service = create_and_remember


def remember_rule_descriptions() -> None:
    """Makes moto's DescribeSecurityGroupRules return the description of a rule whose source is a group."""
    from moto.ec2.models.security_groups import SecurityGroupRule

    rule: Any = SecurityGroupRule
    rule.description = property(
        lambda self: self.ip_range.get("Description") or self.source_group.get("Description"),
    )


def count_loopback_as_tls() -> None:
    """Keeps moto from refusing every request to a bucket whose policy demands TLS.

    moto 5.2 reads such a policy's "deny" without its condition. What comes over loopback leaves this machine as little
    as what comes over TLS can be read on the way.
    """
    from moto.s3.models import FakeBucket

    bucket_class: Any = FakeBucket
    get_permission = bucket_class.get_permission

    def permission_over_tls(bucket: Any, action: str, resource: str) -> Any:
        stored = bucket.policy
        if stored is None:
            return get_permission(bucket, action, resource)
        document = json.loads(stored)
        document["Statement"] = [s for s in document["Statement"] if s.get("Condition") not in _PLAIN_HTTP]
        over_tls = SimpleNamespace(policy=json.dumps(document).encode())
        return get_permission(over_tls, action, resource)

    bucket_class.get_permission = permission_over_tls


def remember_project_keys() -> None:
    """Makes moto's CodeBuild return the encryption key that CreateProject was given, as AWS does."""
    from moto.codebuild.responses import CodeBuildResponse

    responses: Any = CodeBuildResponse
    create_project = responses.create_project

    def create_and_remember(response: Any) -> Any:
        answer = create_project(response)
        key = response._get_param("encryptionKey")
        if key is not None:
            answer.result["project"]["encryptionKey"] = key
        return answer

    responses.create_project = create_and_remember


def update_projects() -> None:
    """Gives moto's CodeBuild the operation UpdateProject, without which an upgrade of the runner does not end."""
    from moto.codebuild.exceptions import ResourceNotFoundException
    from moto.codebuild.responses import CodeBuildResponse
    from moto.core.responses import ActionResult

    def update_project(response: Any) -> Any:
        name = response._get_param("name")
        project = response.codebuild_backend.codebuild_projects.get(name)
        if project is None:
            raise ResourceNotFoundException(f"Project cannot be found: {name}")
        given = {member: response._get_param(member) for member in _PROJECT_SETTINGS}
        project.project_metadata |= {member: value for member, value in given.items() if value is not None}
        return ActionResult({"project": project.project_metadata})

    responses: Any = CodeBuildResponse
    responses.update_project = update_project


def accept_projects_without_source() -> None:
    """Makes moto's CodeBuild ask for a source's location only where AWS does, which is not for ``NO_SOURCE``."""
    from moto.codebuild import responses

    validate = responses._validate_required_params_source

    def validate_unless_there_is_none(source: dict[str, Any]) -> None:
        if source["type"] != "NO_SOURCE":
            validate(source)

    responses._validate_required_params_source = validate_unless_there_is_none


def remember_request_metrics() -> None:
    """Makes moto's S3 keep metrics configurations, of which it knows nothing.

    moto 5.2 takes the call that deletes one for the call that deletes the bucket.
    """
    from moto.s3.responses import S3Response

    responses: Any = S3Response
    respond = responses._bucket_response
    kept: dict[tuple[str, str], str] = {}

    def respond_with_metrics(response: Any, request: Any, full_url: str) -> Any:
        if "metrics" not in (query := response._get_querystring(request, full_url)) or "id" not in query:
            return respond(response, request, full_url)
        key = response.parse_bucket_name_from_url(request, full_url), query["id"][0]
        if request.method == "PUT":
            kept[key] = response.body if isinstance(response.body, str) else response.body.decode()
            return 200, {}, ""
        if key not in kept:
            return 404, {}, "<Error><Code>NoSuchConfiguration</Code><Message>no such configuration</Message></Error>"
        if request.method == "DELETE":
            del kept[key]
            return 204, {}, ""
        return 200, {}, kept[key]

    responses._bucket_response = respond_with_metrics


def take_line_breaks_in_keys() -> None:
    """Makes moto find the operation for an object whose key has a line break, which its patterns leave out."""
    from moto.moto_server.utilities import RegexConverter

    converter: Any = RegexConverter
    initialize = converter.__init__

    def initialize_for_any_character(self: Any, url_map: Any, pattern: str) -> None:
        initialize(self, url_map, f"(?s:{pattern})")

    converter.__init__ = initialize_for_any_character


def encrypt_overwrites_with_the_named_key() -> None:
    """Makes moto encrypt an overwritten SecureString with the key of the call, by default the account's, as AWS says
    (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html); moto keeps the old key.
    """
    from moto.ssm.models import SimpleSystemManagerBackend

    store: Any = SimpleSystemManagerBackend
    put_parameter = store.put_parameter

    def put_with_key(backend: Any, *given: Any, **options: Any) -> Any:
        name, description, value, kind, pattern, key, *rest = given
        key = key or ("alias/aws/ssm" if kind == "SecureString" else None)
        return put_parameter(backend, name, description, value, kind, pattern, key, *rest, **options)

    store.put_parameter = put_with_key


def delete_markers_without_versioning() -> None:
    """Makes moto delete the delete markers of a bucket whose versioning is suspended, as a destroy of it does."""
    from moto.s3.models import FakeDeleteMarker

    marker: Any = FakeDeleteMarker
    marker.dispose = lambda _: None


def name_linked_roles() -> None:
    """Makes moto name the service-linked roles of ECS and load balancers as AWS does."""
    from moto.iam.models import SERVICE_NAME_CONVERSION

    SERVICE_NAME_CONVERSION.update({"ecs": "ECS", "elasticloadbalancing": "ElasticLoadBalancing"})


def repair() -> None:
    """Makes all of the repairs."""
    remember_service_settings()
    remember_project_keys()
    accept_projects_without_source()
    update_projects()
    remember_request_metrics()
    remember_rule_descriptions()
    count_loopback_as_tls()
    take_line_breaks_in_keys()
    encrypt_overwrites_with_the_named_key()
    delete_markers_without_versioning()
    name_linked_roles()
    build_images()
