"""What `prequel preflight` finds in accounts that are not ready, and that it changes nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.challenges.catalog import ChallengeBucket
from scripts.challenges.publish import publish
from scripts.challenges.source import read_challenges
from scripts.embedded.launcher import EmbeddedAws
from scripts.preflight.checks import CHECKS, limits_of, run
from scripts.preflight.findings import Severity, Subject, UnansweredError
from scripts.project import PROJECT
from tests.preflight.conftest import Ready, Refusal, quotas


def found(subject: Subject, check: str) -> list[tuple[Severity, str]]:
    """What one check finds, without the remedies."""
    (chosen,) = [one for one in CHECKS if one.name == check]
    (outcome,) = run(subject, (chosen,))
    assert all(finding.remedy for finding in outcome.findings)
    return [(finding.severity, finding.problem) for finding in outcome.findings]


def only(subject: Subject, check: str, severity: Severity = Severity.ERROR) -> str:
    ((kind, problem),) = found(subject, check)
    assert kind is severity
    return problem


def tags(**given: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in given.items()]


def test_an_account_that_is_ready_has_no_finding(ready: Ready) -> None:
    outcomes = list(run(ready(portal_image="ghcr.io/example/portal:1.0.0", egress="nat_per_az")))
    assert [outcome.check.name for outcome in outcomes] == [check.name for check in CHECKS]
    assert [finding for outcome in outcomes for finding in outcome.findings] == []


def test_every_problem_is_reported_at_once(ready: Ready) -> None:
    subject = ready(
        answers=quotas(L_3032A538=6, L_9D07B6EF=0),
        domain_name="missing.example.org",
        challenge_loader_image="ghcr.io/example/loader:1",
        manifest=lambda _: 404,
    )
    outcomes = {outcome.check.name: outcome for outcome in run(subject)}
    assert {name for name, outcome in outcomes.items() if outcome.failed} == {"domain", "images"}
    assert len(outcomes["images"].findings) == 2
    assert len(outcomes["quotas"].findings) == 2


def test_the_root_user_is_advised_against(ready: Ready) -> None:
    root = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:root", "UserId": "x"}
    problem = only(ready(answers={"sts.GetCallerIdentity": root}), "credentials", Severity.WARNING)
    assert "root user of account 123456789012" in problem


def test_a_region_that_is_unknown_or_not_enabled_ends_the_checks_with_the_reason(ready: Ready) -> None:
    unknown = {"ec2.DescribeRegions": Refusal("InvalidParameterValue")}
    outcomes = list(run(ready(aws_region="eu-nowhere-9", answers=unknown)))
    assert outcomes[-1].check.name == "region"
    assert outcomes[-1].findings[0].problem == "aws_region is eu-nowhere-9, which AWS does not know"
    off = {"Regions": [{"RegionName": "af-south-1", "OptInStatus": "not-opted-in"}]}
    problem = only(ready(aws_region="af-south-1", answers={"ec2.DescribeRegions": off}), "region")
    assert problem == "account 123456789012 has not enabled the region af-south-1"


def test_a_bucket_name_that_another_account_has_is_named(ready: Ready) -> None:
    subject = ready(answers={"s3.HeadBucket": Refusal("403")})
    name = f"{subject.settings.project_prefix}-instance"
    assert only(subject, "bucket") == f"the bucket name {name} is taken by another account"


def test_a_bucket_of_our_own_that_these_credentials_may_not_use_is_not_called_taken(
    ready: Ready, embedded: EmbeddedAws
) -> None:
    subject = ready(answers={"s3.HeadBucket": Refusal("403")})
    name = f"{subject.settings.project_prefix}-instance"
    embedded.aws.s3.create_bucket(Bucket=name)
    assert only(subject, "bucket").startswith(f"the bucket {name} is this account's, but")


def test_a_bucket_of_our_own_is_fine_unless_it_is_another_environments(ready: Ready, embedded: EmbeddedAws) -> None:
    subject, s3 = ready(), embedded.aws.s3
    name = f"{subject.settings.project_prefix}-instance"
    s3.create_bucket(Bucket=name)
    assert found(subject, "bucket") == []
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags(Environment="prod")})  # type: ignore[typeddict-item]
    assert found(subject, "bucket") == []
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags(Environment="staging")})  # type: ignore[typeddict-item]
    assert 'belongs to the environment "staging", and environment is "prod"' in only(subject, "bucket")


def test_a_zone_that_is_missing_double_or_private_is_named(ready: Ready, embedded: EmbeddedAws) -> None:
    assert "no public hosted zone is none.example.org" in only(ready(domain_name="none.example.org"), "domain")
    for reference in "ab":
        embedded.aws.route53.create_hosted_zone(Name="twice.example.org", CallerReference=reference)
    assert "2 public hosted zones are named twice" in only(ready(domain_name="twice.example.org"), "domain")
    embedded.aws.route53.create_hosted_zone(
        Name="inside.example.org",
        CallerReference="inside",
        HostedZoneConfig={"PrivateZone": True},
        VPC={"VPCRegion": "us-east-1", "VPCId": embedded.aws.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]},
    )
    assert "no public hosted zone is inside" in only(ready(domain_name="inside.example.org"), "domain")
    assert found(ready(domain_name=""), "domain") == []


def test_an_undelegated_zone_is_distinguished_from_a_dns_that_does_not_respond(ready: Ready) -> None:
    elsewhere = ready(nameservers=lambda _: frozenset({"ns1.registrar.example"}))
    assert "the public DNS names ns1.registrar.example for interviews" in only(elsewhere, "domain")
    nowhere = ready(nameservers=lambda _: frozenset())
    assert "the public DNS has no name servers for interviews" in only(nowhere, "domain")

    def offline(_: str) -> frozenset[str]:
        raise UnansweredError("no answer from 1.1.1.1")

    problem = only(ready(nameservers=offline), "domain", Severity.WARNING)
    assert problem.startswith("the public DNS could not be asked")


def test_zones_without_fargate_and_nat_gateways_and_too_few_zones_are_named(ready: Ready) -> None:
    tokyo = [
        {"ZoneName": "ap-northeast-1a", "ZoneId": "apne1-az3"},
        {"ZoneName": "ap-northeast-1c", "ZoneId": "apne1-az1"},
    ]
    subject = ready(
        aws_region="ap-northeast-1", answers={"ec2.DescribeAvailabilityZones": {"AvailabilityZones": tokyo}}
    )
    problem = "the availability zone ap-northeast-1a (apne1-az3) offers neither Fargate nor NAT gateways"
    assert only(subject, "zones") == problem
    subject = ready(availability_zones=3, answers={"ec2.DescribeAvailabilityZones": {"AvailabilityZones": tokyo[1:]}})
    assert only(subject, "zones") == "us-east-1 offers this account 1 of the 3 availability zones"


def test_zones_that_are_named_are_looked_at_instead_of_the_first(ready: Ready) -> None:
    zones = [
        {"ZoneName": f"us-west-1{letter}", "ZoneId": f"usw1-az{number}"}
        for letter, number in (("a", 1), ("b", 2), ("c", 3))
    ]
    answers = {"ec2.DescribeAvailabilityZones": {"AvailabilityZones": zones}}
    assert "us-west-1b (usw1-az2)" in only(ready(aws_region="us-west-1", answers=answers), "zones")
    named = ready(aws_region="us-west-1", answers=answers, availability_zone_names=["us-west-1a", "us-west-1c"])
    assert found(named, "zones") == []


def test_a_stack_that_runs_is_told_of_quotas_and_images_and_of_nothing_that_could_not_be_asked(ready: Ready) -> None:
    limited = ready(answers=quotas(L_9D07B6EF=0), nameservers=lambda _: frozenset())
    (problem,) = [finding.problem for finding in limits_of(limited)]
    assert "(L-9D07B6EF) is 0" in problem
    denied = {"service-quotas.GetServiceQuota": Refusal("AccessDeniedException")}
    assert list(limits_of(ready(answers=denied))) == []


@pytest.mark.parametrize(
    ("changes", "settings", "severity", "problem"),
    [
        (
            {"L_0263D0A3": 5},
            {"egress": "nat_per_az", "availability_zones": 6},
            Severity.ERROR,
            "the quota EC2-VPC Elastic IPs (L-0263D0A3) is 5, expected 6: no NAT gateway",
        ),
        (
            {"L_3032A538": 6},
            {"max_instances": 10, "portal_image": "ghcr.io/a/b:1"},
            Severity.WARNING,
            "the quota Fargate On-Demand vCPU resource count (L-3032A538) is 6, expected 11: fewer interviews than"
            " max_instances can run",
        ),
        (
            {"L_9D07B6EF": 0},
            {},
            Severity.WARNING,
            "the quota Concurrently running builds for Linux/Small environment (L-9D07B6EF) is 0, expected 1: no build"
            " can start: overdue interviews are stopped but not removed, and scheduled ones do not begin",
        ),
        (
            {"L_5ED1D25B": 0},
            {"runner_architecture": "ARM64"},
            Severity.WARNING,
            "the quota Concurrently running builds for ARM/Small environment (L-5ED1D25B) is 0, expected 1: no build"
            " can start: overdue interviews are stopped but not removed, and scheduled ones do not begin",
        ),
        (
            {"L_5ED1D25B": 0},
            {"cpu_architecture": "ARM64"},
            Severity.WARNING,
            "the quota Concurrently running builds for ARM/Small environment (L-5ED1D25B) is 0, expected 1:"
            " `prequel image build` cannot build for cpu_architecture",
        ),
    ],
)
def test_a_quota_that_is_too_low_is_named_with_its_code_and_what_it_stops(
    ready: Ready, changes: dict[str, int], settings: dict[str, Any], severity: Severity, problem: str
) -> None:
    assert only(ready(answers=quotas(**changes), **settings), "quotas", severity) == problem


def test_what_others_of_the_account_use_counts_and_what_this_stack_has_does_not(ready: Ready) -> None:
    addresses = {"Addresses": [{"PublicIp": f"192.0.2.{n}"} for n in range(5)]}
    problem = only(ready(answers={"ec2.DescribeAddresses": addresses}), "quotas")
    assert problem == (
        "the quota EC2-VPC Elastic IPs (L-0263D0A3) is 5, of which 5 are in use, expected 1 more: no NAT gateway"
    )
    subject = ready(
        project_prefix="mine",
        answers={
            "ec2.DescribeAddresses": {
                "Addresses": [one | {"Tags": tags(Project="mine")} for one in addresses["Addresses"]]
            }
        },
    )
    assert found(subject, "quotas") == []


def test_nat_gateways_of_others_count_in_the_zone_that_they_are_in(ready: Ready) -> None:
    gateways = {"NatGateways": [{"SubnetId": "subnet-1"} for _ in range(5)]}
    for zone, problems in (("us-east-1a", 1), ("us-east-1f", 0)):
        subnets = {"Subnets": [{"SubnetId": "subnet-1", "AvailabilityZone": zone}]}
        subject = ready(answers={"ec2.DescribeNatGateways": gateways, "ec2.DescribeSubnets": subnets})
        assert len(found(subject, "quotas")) == problems


def test_a_quota_that_was_never_changed_is_read_from_the_defaults(ready: Ready) -> None:
    answers = {
        "service-quotas.GetServiceQuota": Refusal("NoSuchResourceException"),
        "service-quotas.GetAWSDefaultServiceQuota": {"Quota": {"Value": 2.0}},
    }
    problems = [problem for _, problem in found(ready(answers=answers), "quotas")]
    assert any("Fargate On-Demand vCPU resource count (L-3032A538) is 2" in problem for problem in problems)
    answers["service-quotas.GetAWSDefaultServiceQuota"] = Refusal("NoSuchResourceException")
    problems = [problem for _, problem in found(ready(answers=answers), "quotas")]
    assert len(problems) == 7
    assert all(problem.startswith("Service Quotas does not know") for problem in problems)


@pytest.mark.parametrize(
    ("check", "call", "refusal", "right"),
    [
        ("quotas", "service-quotas.GetServiceQuota", "AccessDeniedException", "servicequotas:GetServiceQuota"),
        ("bucket", "s3.HeadBucket", "AccessDenied", "s3:ListAllMyBuckets"),
        ("domain", "route-53.ListHostedZonesByName", "AccessDenied", "route53:ListHostedZonesByName"),
        ("zones", "ec2.DescribeAvailabilityZones", "UnauthorizedOperation", "ec2:DescribeAvailabilityZones"),
        ("linked_roles", "iam.GetRole", "AccessDenied", "iam:GetRole"),
    ],
)
def test_a_right_that_is_missing_is_a_finding_that_names_it(
    ready: Ready, check: str, call: str, refusal: str, right: str
) -> None:
    answers: dict[str, Any] = {call: Refusal(refusal)}
    if check == "bucket":
        answers["s3.ListBuckets"] = Refusal(refusal)
    problem = only(ready(answers=answers), check, Severity.WARNING)
    assert problem.endswith(f"because the caller is not allowed: {right}")


def test_service_linked_roles_that_are_missing_come_with_the_command_that_makes_them(ready: Ready) -> None:
    (check,) = [one for one in CHECKS if one.name == "linked_roles"]
    (outcome,) = run(ready(answers={"iam.GetRole": Refusal("NoSuchEntity")}), (check,))
    assert [finding.severity for finding in outcome.findings] == [Severity.WARNING] * 2
    first = outcome.findings[0]
    assert "the account has no role AWSServiceRoleForECS yet" in first.problem
    assert "`aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com`" in first.remedy


def test_images_are_looked_for_in_ecr_and_in_public_registries(ready: Ready, embedded: EmbeddedAws) -> None:
    subject = ready(code_server_image="")
    name = f"{subject.settings.project_prefix}-code-server"
    empty = f'code_server_image is "", and the repository {name} has no image: no interview can start'
    assert only(subject, "images", Severity.WARNING) == empty
    embedded.aws.client("ecr").create_repository(repositoryName=name)
    assert only(subject, "images", Severity.WARNING) == empty
    image = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{name}:1"
    assert only(ready(code_server_image=image), "images") == f"code_server_image is {image}, which does not exist"
    other = image.replace("123456789012", "999999999999")
    assert "an image of account 999999999999" in only(ready(code_server_image=other), "images")
    denied = ready(manifest=lambda image: 401 if "portal" in image else 200, portal_image="ghcr.io/a/portal:1")
    assert "cannot be pulled without credentials (HTTP 401)" in only(denied, "images")

    def offline(_: str) -> int:
        raise UnansweredError("no connection to docker.io")

    assert {severity for severity, _ in found(ready(manifest=offline), "images")} == {Severity.WARNING}


SETTINGS = {
    "PREQUEL_AWS_REGION": "us-east-1",
    "PREQUEL_ENVIRONMENT": "prod",
    "PREQUEL_DOMAIN_NAME": "",
}


def prequel(
    aws: EmbeddedAws, directory: Path, *arguments: str, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "scripts", *arguments],
        cwd=PROJECT,
        env=aws.environment | {"PREQUEL_CONFIG_DIR": str(directory)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_exits_with_1_and_says_the_same_to_machines(embedded: EmbeddedAws, tmp_path: Path) -> None:
    (tmp_path / "terraform.tfvars").write_text("")
    settings = SETTINGS | {"PREQUEL_DOMAIN_NAME": "none.example.net"}
    for_people = prequel(embedded, tmp_path, "preflight", environment=settings)
    assert for_people.returncode == 1
    assert "error    hosted zone: no public hosted zone is none.example.net" in for_people.stdout
    for_machines = prequel(embedded, tmp_path, "preflight", "--json", environment=settings)
    assert for_machines.returncode == 1
    result = json.loads(for_machines.stdout.splitlines()[-1])["result"]
    assert result["ready"] is False
    assert {"check", "severity", "problem", "remedy", "answered"} == result["findings"][0].keys()


@pytest.mark.e2e
def test_nothing_is_written(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (tmp_path / "terraform.tfvars").write_text("")
    calls = tmp_path_factory.mktemp("calls") / "calls.jsonl"
    calls.touch()
    with EmbeddedAws.start(calls=calls) as aws:
        prequel(aws, tmp_path, "preflight", environment=SETTINGS)
    made = {json.loads(line)["action"] for line in calls.read_text().splitlines()}
    assert made
    reading = ("Describe", "Get", "Head", "List")
    assert {action for action in made if not action.partition(":")[2].startswith(reading)} == set()
    assert list(tmp_path.iterdir()) == [tmp_path / "terraform.tfvars"]


def test_without_credentials_the_one_finding_says_how_to_get_some(embedded: EmbeddedAws, tmp_path: Path) -> None:
    (tmp_path / "terraform.tfvars").write_text("")
    nobody = SETTINGS | {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(tmp_path)}
    done = prequel(embedded, tmp_path, "preflight", environment=nobody)
    assert done.returncode == 1
    assert "there are no AWS credentials" in " ".join(done.stdout.split())
    assert "set AWS_PROFILE, or run `aws configure`" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_vcpu_quota_is_compared_with_the_largest_published_challenge(
    ready: Ready, embedded: EmbeddedAws, tmp_path: Path
) -> None:
    subject = ready(answers=quotas(L_3032A538=10), max_instances=10)
    assert found(subject, "quotas") == []
    bucket = ChallengeBucket(embedded.aws, f"{subject.settings.project_prefix}-instance")
    bucket.aws.s3.create_bucket(Bucket=bucket.name)
    home = tmp_path / "python" / "large"
    home.mkdir(parents=True)
    (home / "README.md").write_text("# Large\n")
    (home / "challenge.toml").write_text("size = { cpu = 4096, memory = 8192 }\n")
    publish(bucket, read_challenges(tmp_path)[0])
    assert only(subject, "quotas", Severity.WARNING) == (
        "the quota Fargate On-Demand vCPU resource count (L-3032A538) is 10, expected 40: "
        "fewer interviews than max_instances can run"
    )
