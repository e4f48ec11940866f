"""What the estimate promises: every resource is accounted for, and the figures are those of AWS's price list."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pytest

from contract.prices import (
    ALARM_METRIC_MONTH,
    BUILD_MINUTE,
    DASHBOARD_MONTH,
    FUNCTION_CALL,
    FUNCTION_GB_SECOND,
    HOURS_A_MONTH,
    KEY_MONTH,
    LIST_REQUEST,
    METRIC_MONTH,
    PRICED_ON,
    PRICES,
    PUBLIC_ADDRESS_HOUR,
    Price,
    interview_per_hour,
    standing_per_day,
)
from scripts.costs.charges import BY_USE, FREE, PRICED, REAPER_METRICS, charges
from scripts.costs.estimate import ARCHITECTURES, ASSUMED_TASK, EGRESS, by_heading, estimate
from scripts.costs.resources import Resource, interview_resources, with_variables
from scripts.costs.summary import kept_interview, kept_shared
from scripts.errors import PrequelError
from scripts.lambdas.reaper import Pass
from scripts.project import PROJECT
from stacks.settings import Settings
from tests.conftest import SharedStackFactory, SynthesizedStack

NO_TABLE = {"cpu_architecture": "X86_64", "create_dns_record": True, **ASSUMED_TASK}


def resources(stack: SynthesizedStack) -> list[Resource]:
    return [
        Resource(f"{kind}.{name}", body)
        for kind, named in stack.document["resource"].items()
        for name, body in named.items()
    ]


def all_prices() -> list[Price]:
    found = [PUBLIC_ADDRESS_HOUR, KEY_MONTH, ALARM_METRIC_MONTH, DASHBOARD_MONTH, METRIC_MONTH, LIST_REQUEST]
    found += [FUNCTION_CALL, FUNCTION_GB_SECOND, BUILD_MINUTE]
    for region in PRICES.values():
        found += [*region.vcpu_hour.values(), *region.gb_hour.values(), region.storage_gb_hour]
        found += [region.nat_gateway_hour, region.load_balancer_hour]
    return found


def test_every_resource_that_the_stacks_can_hold_has_a_price_or_a_reason_for_none(
    shared_stack: SharedStackFactory, development_stack: SynthesizedStack
) -> None:
    everything = shared_stack(
        portal_image="ghcr.io/example/portal:1.0.0", egress="nat_per_az", alarm_email="a@example.com"
    )
    for stack in (everything, development_stack):
        assert charges(resources(stack), "us-east-1")
    assert charges(interview_resources(NO_TABLE), "us-east-1")


def test_a_resource_type_without_a_price_is_refused_by_name(default_stack: SynthesizedStack) -> None:
    new = Resource("aws_elasticache_cluster.cache", {})
    with pytest.raises(PrequelError, match=r"no price is known for aws_elasticache_cluster; add each to"):
        charges([*resources(default_stack), new], "us-east-1")


@pytest.mark.parametrize(
    ("address", "body", "named"),
    [
        ("aws_vpc_endpoint.ecr", {"vpc_endpoint_type": "Interface"}, "a Interface endpoint"),
        ("aws_ssm_parameter.big", {"tier": "Advanced"}, "of tier Advanced"),
    ],
)
def test_a_dear_variant_of_a_free_resource_is_refused(address: str, body: dict[str, str], named: str) -> None:
    with pytest.raises(PrequelError, match=named):
        charges([Resource(address, body)], "us-east-1")


def test_no_type_is_in_two_tables_and_each_has_a_reason() -> None:
    assert not PRICED.keys() & FREE.keys()
    assert not PRICED.keys() & BY_USE.keys()
    assert not FREE.keys() & BY_USE.keys()
    assert all({**FREE, **BY_USE}.values())


def test_every_price_has_a_source_and_a_date_that_is_not_after_the_tables() -> None:
    assert len(all_prices()) == 9 + 7 * len(PRICES)
    for price in all_prices():
        assert price.usd > 0
        assert price.source.startswith(("https://aws.amazon.com/", "price list, "))
        assert re.fullmatch(r"20[0-9]{2}-[01][0-9](-[0-3][0-9])?", price.as_of)
        assert price.as_of <= PRICED_ON


def test_a_region_without_sources_gets_every_other_price_and_says_which_are_missing(
    default_stack: SynthesizedStack,
) -> None:
    assert len(PRICES) >= 5
    known, unknown = (
        estimate(region, resources(default_stack), architecture="X86_64") for region in ("us-east-1", "eu-central-1")
    )
    missing = ["NAT gateways", "load balancer", "vCPU", "memory", "storage"]
    assert (known.missing, sorted(unknown.missing)) == ([], sorted(missing))
    assert by_heading(unknown.base) == {k: v for k, v in by_heading(known.base).items() if k not in missing}
    assert by_heading(unknown.interview) == {k: v for k, v in by_heading(known.interview).items() if k not in missing}
    assert unknown.base_month == pytest.approx(known.base_month - 32.85 - 16.425)
    json.dumps(unknown.machine(), allow_nan=False)
    without_extra = ASSUMED_TASK | {"code_server_storage": 20}
    assert "storage" not in estimate("eu-central-1", [], architecture="X86_64", task=without_extra).missing


@pytest.mark.parametrize("egress", EGRESS)
def test_the_kept_summary_has_the_charges_of_the_synthesized_stacks(
    shared_stack: SharedStackFactory, egress: str
) -> None:
    def amounts(found: list[Resource]) -> list[tuple[str, str, float]]:
        return sorted((c.address, c.what, c.usd_hour) for c in charges(found, "us-east-1"))

    # Of other settings than the summary is made with, which change nothing that is charged for.
    others = {"vpc_cidr": "10.7.0.0/16", "max_instances": 40, "tags": {"Team": "x"}, "history_retention_days": 7}
    synthesized = resources(shared_stack(egress=egress, alarm_email="", **others))
    kept = kept_shared(egress)
    assert {r.address for r in kept} == {r.address for r in synthesized}
    assert amounts(kept) == amounts(synthesized)
    assert amounts(with_variables(kept_interview(), NO_TABLE)) == amounts(interview_resources(NO_TABLE))


def test_an_estimate_of_the_usual_stack_takes_no_second_and_no_synthesis(tmp_path: Path) -> None:
    (tmp_path / "terraform.tfvars").write_text(
        'aws_region = "eu-west-2"\nenvironment = "test"\ndomain_name = "i.example.com"\n'
    )
    before = getrusage(RUSAGE_CHILDREN)
    done = prequel("--json", "--interviews", "3", directory=tmp_path)
    after = getrusage(RUSAGE_CHILDREN)
    assert json.loads(done.stdout)["result"]["region"] == "eu-west-2"
    # Of a processor, because the clock also counts what else this machine does.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_the_base_is_the_sum_of_what_aws_charges_by_the_hour(shared_stack: SharedStackFactory) -> None:
    found = estimate("us-east-1", resources(shared_stack()), architecture="X86_64")
    month = {what: usd * HOURS_A_MONTH for what, usd in by_heading(found.base).items()}
    standing = ("NAT gateways", "load balancer", "public IPv4 addresses", "encryption key")
    # One NAT gateway, the load balancer, three addresses and the key: 32.85 + 16.425 + 10.95 + 1.
    assert sum(month[what] for what in standing) == pytest.approx(61.225)
    daily = standing_per_day(nat_gateways=1, zones=2)
    assert daily * HOURS_A_MONTH / 24 == pytest.approx(61.225, abs=0.02)
    assert month["alarms"] > 2
    assert month["dashboard"] == pytest.approx(3)
    per_zone = estimate("us-east-1", resources(shared_stack(egress="nat_per_az")), architecture="X86_64")
    # Another gateway, its address and its alarm.
    assert per_zone.base_month - found.base_month == pytest.approx(32.85 + 3.65 + 0.10)


def test_the_base_has_what_the_reaper_uses_when_there_are_no_interviews(default_stack: SynthesizedStack) -> None:
    found = estimate("us-east-1", resources(default_stack), architecture="X86_64")
    month = {what: usd * HOURS_A_MONTH for what, usd in by_heading(found.base).items()}
    # 43,800 passes of a second at 256 MB, and three listings each: 0.0088 + 0.146 + 0.657.
    assert month["reaper"] == pytest.approx(0.812, abs=0.001)
    assert month["reaper's metrics"] == pytest.approx(0.30 * len(Pass().metrics()))
    assert len(Pass().metrics()) == REAPER_METRICS
    assert month["bucket's metrics, at most"] == pytest.approx(4.80)


def test_a_schedule_that_nobody_has_priced_is_refused() -> None:
    with pytest.raises(PrequelError, match=r"aws_cloudwatch_event_rule\.nightly, which fires at cron"):
        charges(
            [Resource("aws_cloudwatch_event_rule.nightly", {"schedule_expression": "cron(0 3 * * ? *)"})], "eu-west-1"
        )


def test_services_are_priced_with_the_metrics_that_the_cluster_asks_for(default_stack: SynthesizedStack) -> None:
    (cluster,) = [r for r in resources(default_stack) if r.type == "aws_ecs_cluster"]
    assert {"name": "containerInsights", "value": "enabled"} in cluster.body["setting"]


def test_an_interview_costs_the_same_by_its_template_as_in_its_record() -> None:
    for region in PRICES:
        for architecture in ARCHITECTURES.values():
            found = estimate(region, [], architecture=architecture)
            recorded = interview_per_hour(cpu=1024, memory=2048, architecture=architecture, storage=21, region=region)
            assert found.interview_hour == pytest.approx(recorded)
    arm, x86 = (estimate("us-east-1", [], architecture=a).interview_hour for a in ("ARM64", "X86_64"))
    metrics = 25 * 0.30 / 730
    saves = 180 * (0.005 / 1000 + 0.03 / 10_000)
    assert x86 == pytest.approx(0.04048 + 2 * 0.004445 + 0.000111 + metrics + saves)
    assert (arm - metrics - saves) / (x86 - metrics - saves) == pytest.approx(0.8, abs=0.01)


def test_a_hosted_portal_costs_its_task(portal_stack: SynthesizedStack, default_stack: SynthesizedStack) -> None:
    with_portal, without = (
        estimate("eu-west-1", resources(s), architecture="X86_64").base_month for s in (portal_stack, default_stack)
    )
    assert with_portal - without > 5


def test_a_month_adds_the_interviews_to_the_base(default_stack: SynthesizedStack) -> None:
    found = estimate("us-east-1", resources(default_stack), architecture="ARM64")
    assert found.month(40, 1.5) == pytest.approx(found.base_month + 60 * found.interview_hour)


def test_the_priced_interview_has_the_default_size() -> None:
    fields = Settings.model_fields
    assert {name: fields[name].default for name in ASSUMED_TASK} == ASSUMED_TASK


def prequel(*arguments: str, directory: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts", "cost", *arguments],
        cwd=PROJECT,
        env=os.environ | {"PREQUEL_CONFIG_DIR": str(directory)} | settings,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_command_prices_the_configuration_that_it_finds(tmp_path: Path) -> None:
    (tmp_path / "terraform.tfvars").write_text(
        'aws_region = "eu-west-1"\nenvironment = "test"\ndomain_name = "i.example.com"\n'
        'code_server_cpu = 2048\ncode_server_memory = 4096\nportal_image = "ghcr.io/example/portal:1.0.0"\n'
    )
    done = prequel("--json", "--interviews", "10", "--hours", "2", "--architecture", "arm", directory=tmp_path)
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout.splitlines()[-1])["result"]
    assert value["region"] == "eu-west-1"
    # The value is rounded to five places.
    metrics = 25 * 0.30 / 730
    saves = 180 * (0.005 / 1000 + 0.03 / 10_000)
    task = 2 * 0.03238 + 4 * 0.00356 + 0.000122
    assert value["interview_hour_usd"] == pytest.approx(task + metrics + saves, abs=1e-5)
    assert value["month_usd"] == pytest.approx(value["base_month_usd"] + 20 * value["interview_hour_usd"], abs=0.02)
    assert all(charge["source"] and charge["as_of"] for charge in value["base"] + value["interview"])
    processors = {c["address"]: c["source"] for c in value["base"] + value["interview"] if c["what"] == "vCPU"}
    assert len(processors) == 2, "the portal's and an interview's"
    assert all("ARM" in source for source in processors.values())


def test_the_command_refuses_what_it_does_not_know_in_one_line(tmp_path: Path) -> None:
    for wrong, answer in (
        (["--hours", "2"], "--hours needs --interviews: they are the hours of each interview"),
        (["--region", "eusc-de-east-1"], '--region is "eusc-de-east-1", expected a region of the partition aws'),
        (["--interviews", "1", "--hours", "inf"], 'less than or equal to 744, got "inf"'),
    ):
        done = prequel(*wrong, directory=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert answer in done.stderr
