"""The only script of the pages: it asks a task whether its image was loaded lazily."""

import subprocess
import time
from pathlib import Path

from tests.docs.book import PAGES, shown_scripts
from tests.images.conftest import Ecr
from tests.images.install import tools


def test_the_script_that_asks_a_task_how_it_was_loaded_runs_with_the_aws_cli(ecr: Ecr, tmp_path: Path) -> None:
    (script,) = (script for page in PAGES for script in shown_scripts(page))
    aws, log_group = ecr.embedded.aws, f"/{ecr.prefix}/interviews"
    vpc = aws.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    aws.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnet = aws.ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    (group,) = aws.ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    aws.ecs.create_cluster(clusterName=ecr.prefix)
    # Its task never runs here, so what AWS would write to the log is there already.
    logs = aws.client("logs")
    logs.create_log_group(logGroupName=log_group)
    logs.create_log_stream(logGroupName=log_group, logStreamName="probe/probe/0")
    said = {"timestamp": int(time.time() * 1000), "message": '{"Name":"probe","Snapshotter":"soci"}'}
    logs.put_log_events(logGroupName=log_group, logStreamName="probe/probe/0", logEvents=[said])

    done = subprocess.run(
        ["sh", "-eu", "-c", script.replace("PREFIX=prequel", f"PREFIX={ecr.prefix}")],
        cwd=tmp_path,
        env=ecr.environment
        | {"PATH": f"{tools().bin}:/usr/bin:/bin", "WAIT": "0", "SUBNET": subnet, "GROUP": group["GroupId"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"Snapshotter":"soci"' in done.stdout.splitlines()
    assert '"launchType": "FARGATE"' in done.stdout
