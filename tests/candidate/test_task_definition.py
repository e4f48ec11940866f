"""The task definition of an interview, as ECS has it after the real Terraform applied the template set."""

import pytest

from tests.candidate.container import DEFAULT_CAPABILITIES
from tests.candidate.task import Interview

pytestmark = pytest.mark.e2e


def test_the_candidate_has_no_privilege_that_ecs_could_give(interview: Interview) -> None:
    editor = interview.described("code-server")
    assert editor["user"] == "1000:1000"
    assert editor["readonlyRootFilesystem"] is True
    assert editor["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    assert not editor.get("privileged")


def test_what_delivers_the_challenge_keeps_the_two_capabilities_that_it_takes(interview: Interview) -> None:
    dropped = set(interview.described("challenge")["linuxParameters"]["capabilities"]["drop"])
    assert DEFAULT_CAPABILITIES - dropped == {"CHOWN", "DAC_OVERRIDE"}


def test_ecs_never_runs_a_process_beside_the_editor(interview: Interview) -> None:
    """It would have every variable of the task, and the candidate's user could read it in /proc."""
    assert "healthCheck" not in interview.described("code-server")
    assert not interview.service.get("enableExecuteCommand")


def test_the_containers_do_not_see_each_others_processes(interview: Interview) -> None:
    assert "pidMode" not in interview.definition
    assert "ipcMode" not in interview.definition


def test_the_task_has_no_address_that_the_internet_could_reach(interview: Interview) -> None:
    network = interview.service["networkConfiguration"]["awsvpcConfiguration"]
    assert network["assignPublicIp"] == "DISABLED"
    assert network["securityGroups"] == [interview.values["code_server_security_group_id"]]


@pytest.mark.parametrize("container", ["challenge", "code-server"])
def test_a_stopped_interview_has_ten_seconds_to_end(interview: Interview, container: str) -> None:
    assert interview.described(container)["stopTimeout"] == 10


def test_size_and_architecture_come_from_the_settings(interview: Interview) -> None:
    definition, values = interview.definition, interview.values
    assert definition["cpu"] == str(values["code_server_cpu"])
    assert definition["memory"] == str(values["code_server_memory"])
    assert definition["ephemeralStorage"] == {"sizeInGiB": values["code_server_storage"]}
    assert definition["runtimePlatform"]["cpuArchitecture"] == values["cpu_architecture"]


def test_what_the_candidate_runs_leaves_the_saver_its_memory(interview: Interview) -> None:
    limits = {name: interview.described(name)["memory"] for name in ("code-server", "saver")}
    assert sum(limits.values()) == int(interview.definition["memory"])


def test_one_image_is_pulled_unless_settings_say_otherwise(interview: Interview) -> None:
    assert interview.described("challenge")["image"] == interview.values["code_server_image"]
    assert interview.described("code-server")["image"] == interview.values["code_server_image"]


@pytest.mark.parametrize("container", ["challenge", "code-server"])
def test_every_interview_has_its_own_log_streams_and_goes_on_without_them(interview: Interview, container: str) -> None:
    options = interview.described(container)["logConfiguration"]["options"]
    assert options["awslogs-stream-prefix"] == interview.id
    assert options["mode"] == "non-blocking"


def test_the_password_is_a_reference_and_nowhere_in_the_task_definition(interview: Interview) -> None:
    [secret] = interview.described("code-server")["secrets"]
    assert secret["valueFrom"].endswith(f"/interviews/{interview.id}/password")
    assert interview.password not in str(interview.definition)
