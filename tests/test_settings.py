"""The configuration: which values are accepted, and the errors for the others."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import IPv4Network
from itertools import pairwise
from pathlib import Path
from typing import Any

import botocore.session
import hcl2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.limits import FARGATE_MEMORY_MIB, INTERVIEW_ID_PATTERN, REGION_PATTERN
from contract.names import bucket_name
from contract.subnets import SubnetPlan
from stacks.backend_settings import BackendSettings
from stacks.configuration import Configuration, SettingsError, load_settings
from stacks.settings import Settings
from stacks.tfvars import UnreadableFileError, read_assignments

ROOT = Path(__file__).parent.parent
REQUIRED = 'aws_region = "eu-central-1"\nenvironment = "test"\ndomain_name = "interviews.example.com"\n'
EXAMPLE_KEY = re.compile(r"^(?:# )?[a-z0-9_]+ *= ", re.MULTILINE)
Load = Callable[..., Configuration]
Problems = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(text: str, *, backend: str | None = None, environment: Mapping[str, str] | None = None) -> Configuration:
        (tmp_path / "terraform.tfvars").write_text(text)
        if backend is not None:
            (tmp_path / "backend.config").write_text(backend)
        return load_settings(tmp_path, environment or {})

    return load


@pytest.fixture
def problems(load: Load) -> Problems:
    def problems(text: str, **others: Any) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(text, **others)
        return caught.value.problems

    return problems


def test_the_three_required_keys_are_enough(load: Load) -> None:
    configuration = load(REQUIRED)
    assert configuration.settings.project_prefix == "prequel"
    assert configuration.settings.max_instances == 10
    assert configuration.backend is None


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("max_instances = 100", "max_instances is 100, expected a whole number from 1 to 99"),
        ("max_instances = 0", "max_instances is 0, expected a whole number from 1 to 99"),
        ('max_instances = "ten"', 'max_instances is "ten", expected a whole number from 1 to 99'),
        ("max_instances = 1.5", "max_instances is 1.5, expected a whole number from 1 to 99"),
        ("max_instances = true", "max_instances is true, expected a whole number from 1 to 99"),
        ("max_instances = var.most", "max_instances is the expression var.most, expected a literal value"),
        ("max_instances = max(\n  1,\n  2\n)", "max_instances is the expression max(1, 2), expected a literal value"),
        ("max_instances = 5\nmax_instances = 6", "max_instances is set more than once"),
        ("max_instnces = 5", "max_instnces is not a setting, did you mean max_instances?"),
        ("colour = 5", "colour is not a setting, terraform.tfvars.example lists them all"),
        ("tags {\n}", "tags is a block, expected an assignment with ="),
        ('tags = { (x) = "1" }', "tags has the expression (x) for a key, expected a name or quoted text"),
        ('tags = { Name = "x" }', 'tags is {"Name": "x"}, expected tags other than Name, which the stack sets itself'),
        (
            'tags = { project = "x" }',
            'tags is {"project": "x"}, expected tags other than project, which differs only in case from one',
        ),
        (
            'tags = { team = "x", Team = "y" }',
            'tags is {"team": "x", "Team": "y"}, expected tags other than Team, which differs only in case from one',
        ),
        (
            'tags = { "aws:x" = "y" }',
            'tags is {"aws:x": "y"}, expected tags other than aws:x, because AWS reserves aws:',
        ),
        ('portal_image = "${var.image}"', "portal_image holds the template ${var.image}, expected literal text"),
        (
            'portal_image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/portal:1"',
            'portal_image is "123456789012.dkr.ecr.eu-central-1.amazonaws.com/portal:1", '
            "expected a public image or one of this account's repositories prequel-* in eu-central-1",
        ),
        (
            'portal_image = "portal"',
            'portal_image is "portal", expected an image with tag or digest, or "" for no portal',
        ),
        (
            'challenge_loader_image = "public.ecr.aws/aws-cli/aws-cli:2.27.0"',
            'challenge_loader_image is "public.ecr.aws/aws-cli/aws-cli:2.27.0", expected an image that has '
            'prequel-load, which the AWS CLI of earlier releases has not, or ""',
        ),
        (
            'vpc_cidr = "10.0.0.0/33"',
            'vpc_cidr is "10.0.0.0/33", expected an IPv4 block from /16 to /28 such as 10.0.0.0/16',
        ),
        (
            'vpc_cidr = "10.0.0.1/16"',
            'vpc_cidr is "10.0.0.1/16", expected a block without host bits, such as 10.0.0.0/16',
        ),
        ('vpc_cidr = "10.0.0.0/8"', 'vpc_cidr is "10.0.0.0/8", expected a block from /16 to /28, as a VPC allows'),
        (
            'vpc_cidr = "10.0.0.0/26"',
            'vpc_cidr is "10.0.0.0/26", expected a block with room for 4 subnets of /27 or larger',
        ),
        (
            'vpc_cidr = "10.0.0.0/25"\nmax_instances = 60',
            'vpc_cidr is "10.0.0.0/25", expected a block with room for max_instances = 60; '
            "its private subnets hold 54 addresses",
        ),
        (
            "code_server_cpu = 256\ncode_server_memory = 4096",
            "code_server_memory is 4096, expected one of 512, 1024, 2048 MiB, "
            "as Fargate offers with code_server_cpu = 256",
        ),
        (
            "code_server_cpu = 1000",
            "code_server_cpu is 1000, expected one of 256, 512, 1024, 2048, 4096, 8192, 16384",
        ),
        (
            'hosted_zone_name = "ample.com"',
            'hosted_zone_name is "ample.com", expected a zone that holds domain_name, '
            'which is "interviews.example.com"',
        ),
        (
            "interview_maximum_minutes = 60",
            "interview_maximum_minutes is 60, expected at least interview_default_minutes, which is 90",
        ),
        (
            'project_prefix = "internal-tools"',
            'project_prefix is "internal-tools", expected a name that does not begin with internal, which AWS reserves',
        ),
        ('egress = "none"', 'egress is "none", expected single_nat or nat_per_az'),
        ('alarm_email = "ops"', 'alarm_email is "ops", expected an e-mail address, or "" for none'),
    ],
)
def test_each_problem_is_one_clear_line(problems: Problems, line: str, problem: str) -> None:
    assert problems(REQUIRED + line) == [f"terraform.tfvars: {problem}"]


def test_all_problems_come_at_once(problems: Problems) -> None:
    found = problems(
        'environment = "Prod"\ndomain_name = "example"\nmax_instances = var.x\nlog_retention_days = 31\nfoo_bar = 1',
        backend="buket = 1",
        environment={"PREQUEL_EGRESS": "x"},
    )
    of_settings = ["aws_region", "environment", "domain_name", "max_instances", "log_retention_days", "foo_bar"]
    of_backend = ["buket", "bucket", "key", "region"]
    assert sorted(problem.split()[1] for problem in found) == sorted([*of_settings, "egress", *of_backend])
    assert all("\n" not in problem for problem in found)


def test_an_unreadable_file_names_the_line(problems: Problems) -> None:
    assert problems(REQUIRED + "vpc_cidr = \n") == ["terraform.tfvars: is not valid HCL at line 4, column 12"]


@pytest.mark.parametrize("name", ["terraform.tfvars.json", "prod.auto.tfvars", "x.auto.tfvars.json"])
def test_a_file_that_terraform_would_load_by_itself_is_refused_and_not_ignored(
    tmp_path: Path, problems: Problems, name: str
) -> None:
    (tmp_path / name).write_text('{"egress": "nat_per_az"}')
    assert problems(REQUIRED) == [f"{name}: is not read; move its values to terraform.tfvars"]


@pytest.mark.parametrize("key", ["/k", "k/", "a//b", "/", "é" * 513])
def test_a_state_key_that_terraform_or_s3_refuses_is_refused(problems: Problems, key: str) -> None:
    (problem,) = problems(REQUIRED, backend=f'bucket = "state"\nkey = "{key}"\nregion = "eu-central-1"')
    assert problem.startswith("backend.config: key is ")


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        *(("127.0.0.0/16", "loopback"), ("127.255.0.0/20", "loopback"), ("169.254.0.0/16", "link-local")),
        *(("169.254.128.0/20", "link-local"), ("224.0.0.0/16", "multicast"), ("239.255.0.0/16", "multicast")),
        *(("240.0.0.0/16", "reserved"), ("255.255.0.0/16", "reserved"), ("0.0.0.0/16", "unspecified")),
    ],
)
def test_a_network_of_addresses_that_no_host_can_have_is_refused(problems: Problems, block: str, kind: str) -> None:
    (problem,) = problems(REQUIRED + f'vpc_cidr = "{block}"\n')
    assert problem.endswith(f"these are {kind} addresses")


@pytest.mark.parametrize("block", ["126.0.0.0/16", "128.0.0.0/16", "169.253.0.0/16", "100.64.0.0/16", "223.255.0.0/16"])
def test_the_networks_beside_them_are_accepted(load: Load, block: str) -> None:
    assert load(REQUIRED + f'vpc_cidr = "{block}"\n').settings.vpc_cidr == block


def test_a_missing_file_says_what_to_copy(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path, {})
    assert caught.value.problems == [
        f"terraform.tfvars: not found in {tmp_path}; go to the directory that has it, name that in PREQUEL_CONFIG_DIR, "
        "or copy terraform.tfvars.example from the repository"
    ]


def test_binary_and_directories_are_refused_in_one_line(tmp_path: Path, problems: Problems) -> None:
    (tmp_path / "backend.config").mkdir()
    assert problems(REQUIRED) == ["backend.config: cannot be read: Is a directory"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "terraform.tfvars").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        load_settings(tmp_path / "other", {})


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("MAX_INSTANCES", "7", 7),
        ("WILDCARD_DOMAIN", "false", False),
        ("ENVIRONMENT", "staging", "staging"),
        ("DOMAIN_NAME", "", ""),
        ("TAGS", '{"Team": "hiring"}', {"Team": "hiring"}),
        ("TAGS", "Team=hiring, Cost=a=b", {"Team": "hiring", "Cost": "a=b"}),
        ("TAGS", "", {}),
    ],
)
def test_the_environment_overrides_the_file(load: Load, variable: str, text: str, value: object) -> None:
    settings = load(REQUIRED, environment={f"PREQUEL_{variable}": text}).settings
    assert getattr(settings, variable.lower()) == value


@pytest.mark.parametrize(("variable", "text"), [("MAX_INSTANCES", "many"), ("WILDCARD_DOMAIN", "yes"), ("TAGS", "x")])
def test_a_problem_of_the_environment_names_the_variable(problems: Problems, variable: str, text: str) -> None:
    (problem,) = problems(REQUIRED, environment={f"PREQUEL_{variable}": text})
    assert problem.startswith(f"PREQUEL_{variable}: {variable.lower()} is ")


def test_an_override_heals_what_the_file_got_wrong(load: Load) -> None:
    assert (
        load(REQUIRED + "max_instances = var.x", environment={"PREQUEL_MAX_INSTANCES": "3"}).settings.max_instances == 3
    )


def test_backend_config_locks_and_encrypts_by_default(load: Load) -> None:
    backend = load(REQUIRED, backend='bucket = "state"\nkey = "a"\nregion = "eu-central-1"').backend
    assert backend is not None
    assert (backend.encrypt, backend.use_lockfile) == (True, True)


def test_backend_config_takes_no_credentials(problems: Problems) -> None:
    text = 'bucket = "state"\nkey = "a"\nregion = "eu-central-1"\nsecret_key = "s"'
    assert problems(REQUIRED, backend=text) == [
        "backend.config: secret_key is not a setting, backend.config.example lists them all"
    ]


@pytest.mark.parametrize("file", ["terraform.tfvars", "backend.config"])
def test_every_key_of_the_example_stands_below_a_sentence_about_it(file: str) -> None:
    for paragraph in (ROOT / f"{file}.example").read_text().split("\n\n"):
        said, *keys = EXAMPLE_KEY.split(paragraph)
        assert not keys or said.strip().endswith("."), paragraph


def test_the_readmes_table_lists_every_key_and_no_other() -> None:
    _, _, section = (ROOT / "README.md").read_text().partition("\n## Configuration\n")
    rows = re.findall(r"^\| (`.*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    listed = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(Settings.model_fields)


@pytest.mark.parametrize(("file", "model"), [("terraform.tfvars", Settings), ("backend.config", BackendSettings)])
def test_the_example_gives_every_key_its_default(file: str, model: type[Settings] | type[BackendSettings]) -> None:
    text = (ROOT / f"{file}.example").read_text()
    commented = dict(re.findall(r"^# ([a-z0-9_]+) *= (.*)$", text, re.MULTILINE))
    given = read_assignments(ROOT / f"{file}.example")
    assert set(commented) | set(given) == set(model.model_fields)
    assert not set(commented) & set(given)
    required = [key for key, field in model.model_fields.items() if field.is_required()]
    assert list(given)[:3] == required
    options = hcl2.SerializationOptions(strip_string_quotes=True)
    for key in model.model_fields.keys() - required:
        shown = (
            given[key] if key in given else hcl2.loads(f"{key} = {commented[key]}", serialization_options=options)[key]
        )
        assert shown == model.model_fields[key].get_default(call_default_factory=True), key


def test_the_examples_load_as_they_are(load: Load) -> None:
    configuration = load(
        (ROOT / "terraform.tfvars.example").read_text(), backend=(ROOT / "backend.config.example").read_text()
    )
    assert configuration.settings.domain_name == "your-domain.com"
    assert configuration.backend is not None


def test_every_key_says_what_it_accepts() -> None:
    for model in (Settings, BackendSettings):
        assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize(
    ("quoted", "text"),
    [
        (r'"a\nb\t\"c\" \\ \u00e9 \U0001F600"', 'a\nb\t"c" \\ é 😀'),
        ('"$${x} %%{y} $x 100%"', "${x} %{y} $x 100%"),
        ('""', ""),
        ("<<EOT\none\ntwo\nEOT", "one\ntwo\n"),
    ],
)
def test_text_is_read_as_terraform_reads_it(tmp_path: Path, quoted: str, text: str) -> None:
    (tmp_path / "a").write_text(f"key = {quoted}\n")
    assert read_assignments(tmp_path / "a") == {"key": text}


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes('\ufeffa = 1\r\nb = { "c d" = "e", f = null }\r\n'.encode())
    assert read_assignments(tmp_path / "a") == {"a": 1, "b": {"c d": "e", "f": None}}


@given(text=st.text(max_size=60) | st.text(alphabet='a= \n"{}[]<>#$%\\:,.()1-', max_size=40))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tfvars"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with suppress(UnreadableFileError):
        assert isinstance(read_assignments(path), dict)


@given(prefix=st.integers(16, 28), zones=st.integers(2, 6), interviews=st.integers(1, 99))
def test_an_accepted_network_has_room_for_everything(prefix: int, zones: int, interviews: int) -> None:
    network = f"10.0.0.0/{prefix}"
    try:
        Settings(
            aws_region="eu-central-1",
            environment="test",
            domain_name="",
            vpc_cidr=network,
            availability_zones=zones,
            max_instances=interviews,
        )
    except ValueError:
        assert prefix > 20, "the smallest block that is enough for any setting must be accepted"
        return
    plan = SubnetPlan.of(network, zones)
    subnets = [IPv4Network(cidr) for cidr in plan.public + plan.private]
    assert len(plan.public) == len(plan.private) == zones
    assert all(subnet.subnet_of(IPv4Network(network)) and subnet.prefixlen <= 27 for subnet in subnets)
    assert not any(a.overlaps(b) for i, a in enumerate(subnets) for b in subnets[:i])
    assert sum(IPv4Network(cidr).num_addresses - 5 for cidr in plan.private) >= interviews


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('["eu-central-1a"]', "2 different zones, because availability_zones is 2"),
        ('["eu-central-1a", "eu-central-1a"]', "2 different zones, because availability_zones is 2"),
        ('["us-east-1a", "us-east-1b"]', "zones of eu-central-1, such as eu-central-1a"),
        ('"eu-central-1a"', 'a list of zones such as ["eu-central-1a", "eu-central-1b"], or [] for the first'),
    ],
)
def test_named_zones_are_those_of_the_region_and_as_many_as_asked_for(
    problems: Problems, value: str, expected: str
) -> None:
    (problem,) = problems(REQUIRED + f"availability_zone_names = {value}\n")
    assert problem == f"terraform.tfvars: availability_zone_names is {value}, expected {expected}"


def regions(partition: str) -> list[str]:
    return botocore.session.Session().get_available_regions("ec2", partition)


def partitions() -> list[str]:
    return botocore.session.Session().get_available_partitions()


def test_every_region_that_botocore_knows_is_accepted_or_refused_with_its_partition_in_both_files(
    load: Load, problems: Problems
) -> None:
    backend = 'bucket = "state"\nkey = "a"\nregion = '
    for region in regions("aws"):
        loaded = load(REQUIRED.replace("eu-central-1", region), backend=f'{backend}"{region}"')
        assert (loaded.settings.aws_region, loaded.backend and loaded.backend.region) == (region, region)
    for partition in partitions():
        for region in regions(partition) if partition != "aws" else []:
            assert re.match(REGION_PATTERN, region) is None, "of the template's variable"
            ends = f'is "{region}", expected a region of the partition aws; {partition} is not supported'
            assert problems(REQUIRED.replace("eu-central-1", region), backend=f'{backend}"{region}"') == [
                f"terraform.tfvars: aws_region {ends}",
                f"backend.config: region {ends}",
            ]


@pytest.mark.parametrize("region", ["", "eu", "eu-central", "EU-CENTRAL-1", "eu-central-1a", "us-gov", "eu-central-1 "])
def test_what_is_no_region_is_refused(problems: Problems, region: str) -> None:
    (problem,) = problems(REQUIRED.replace("eu-central-1", region))
    assert problem.startswith(f'terraform.tfvars: aws_region is "{region}", expected a region of the partition aws')


def test_zones_can_be_named_in_the_environment(load: Load) -> None:
    variable = {"PREQUEL_AVAILABILITY_ZONE_NAMES": "eu-central-1b, eu-central-1c"}
    settings = load(REQUIRED, environment=variable).settings
    assert settings.availability_zone_names == ["eu-central-1b", "eu-central-1c"]


@pytest.mark.parametrize("prefix", range(16, 24))
def test_a_further_zone_moves_no_subnet(prefix: int) -> None:
    plans = [SubnetPlan.of(f"10.0.0.0/{prefix}", zones) for zones in range(2, 7)]
    for smaller, larger in pairwise(plans):
        assert larger.public[: len(smaller.public)] == smaller.public
        assert larger.private[: len(smaller.private)] == smaller.private


@given(
    prefix=st.from_regex(r"[a-z][a-z0-9-]{0,25}", fullmatch=True),
)
def test_an_accepted_prefix_fits_every_name(prefix: str) -> None:
    try:
        Settings(aws_region="eu-central-1", environment="test", domain_name="", project_prefix=prefix)
    except ValueError:
        return
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", bucket_name(prefix))
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", f"{prefix}-logs-123456789012")
    assert re.fullmatch(INTERVIEW_ID_PATTERN, f"{prefix}-portal"), "a target group's name"
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,19}", prefix), "the template's own validation"


def test_an_accepted_domain_fits_a_listener_rule_and_a_certificate(load: Load, problems: Problems) -> None:
    longest = "a" * 60 + ".com"
    settings = load(REQUIRED.replace("interviews.example.com", longest)).settings
    assert len(settings.domain_name) == 64
    assert len(f"{'i' * 32}.{longest}") <= 128
    assert problems(REQUIRED.replace("interviews.example.com", "a" + longest))


@pytest.mark.parametrize(
    "domain",
    ["example", "Example.com", "example.com.", "-a.example.com", "a..com", "a_b.com", "1.2.3.4", "*.example.com"],
)
def test_what_is_no_domain_name_is_refused(problems: Problems, domain: str) -> None:
    (problem,) = problems(REQUIRED.replace("interviews.example.com", domain))
    assert problem.startswith(f'terraform.tfvars: domain_name is "{domain}", expected a lower-case DNS name')


@pytest.mark.parametrize("cpu", FARGATE_MEMORY_MIB)
def test_every_pair_of_fargates_table_is_accepted_and_no_other(cpu: int) -> None:
    accepted = set()
    for memory in range(512, 122880 + 1, 512):
        try:
            Settings(
                aws_region="eu-central-1",
                environment="t",
                domain_name="",
                code_server_cpu=cpu,
                code_server_memory=memory,
            )
        except ValueError:
            continue
        accepted.add(memory)
    smallest, largest, step = {
        256: (512, 2048, 512),
        512: (1024, 4096, 1024),
        1024: (2048, 8192, 1024),
        2048: (4096, 16384, 1024),
        4096: (8192, 30720, 1024),
        8192: (16384, 61440, 4096),
        16384: (32768, 122880, 8192),
    }[cpu]
    assert accepted == set(range(smallest, largest + 1, step)) - ({1536} if cpu == 256 else set())
