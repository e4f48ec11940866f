"""What a build of the runner does: one operation on one interview, named by environment variables.

PREQUEL_ACTION is create, destroy or recover, and PREQUEL_INTERVIEW_ID the interview. A create also takes
PREQUEL_CHALLENGE, PREQUEL_CANDIDATE and, if the release's default will not do, PREQUEL_DURATION. The project itself
gives PREQUEL_AWS_REGION, PREQUEL_PROJECT_PREFIX and PREQUEL_WORK_RETENTION_DAYS. Progress goes to standard error. The
result goes nowhere: it holds the password, which must not enter a log. Exit codes are those of `prequel interview`.
"""

import os
import sys
from collections.abc import Mapping

from contract.names import bucket_name
from scripts.aws.clients import Aws
from scripts.console import Console
from scripts.errors import PrequelError, UnsavedWorkError
from scripts.interviews.context import Context
from scripts.interviews.create import create
from scripts.interviews.destroy import destroy
from scripts.interviews.recover import recover
from scripts.interviews.request import Request, parsed_duration

ACTIONS = ("create", "destroy", "recover")


class UsageError(PrequelError):
    """The environment does not name an operation; the text has a line for each problem."""

    exit_code = 2


def run(environment: Mapping[str, str], console: Console) -> None:
    """Does what ``environment`` names; raises ``UsageError``, and what the operation raises."""
    required = ["PREQUEL_INTERVIEW_ID", "PREQUEL_AWS_REGION", "PREQUEL_PROJECT_PREFIX"]
    action = environment.get("PREQUEL_ACTION", "")
    problems = [] if action in ACTIONS else [f'PREQUEL_ACTION is "{action}", expected create, destroy or recover']
    if action == "create":
        required += ["PREQUEL_CHALLENGE", "PREQUEL_CANDIDATE"]
    problems += [f"{name} is missing" for name in required if not environment.get(name)]
    if problems:
        raise UsageError("\n".join(problems))
    interview_id = environment["PREQUEL_INTERVIEW_ID"]
    bucket = bucket_name(environment["PREQUEL_PROJECT_PREFIX"])
    keeps_work = environment.get("PREQUEL_WORK_RETENTION_DAYS") != "0"
    context = Context(Aws(environment["PREQUEL_AWS_REGION"]), bucket, console, keeps_work=keeps_work)
    if action == "destroy":
        done = destroy(context, interview_id)
        if done.unsaved:
            raise UnsavedWorkError(f"interview {interview_id} is gone; its last work may not be saved: {done.unsaved}")
    elif action == "recover":
        recover(context, interview_id)
    else:
        duration = environment.get("PREQUEL_DURATION")
        request = Request(
            challenge=environment["PREQUEL_CHALLENGE"],
            candidate_name=environment["PREQUEL_CANDIDATE"],
            id=interview_id,
            duration=parsed_duration(duration) if duration else None,
        )
        create(context, request)


def main() -> int:
    """Runs one operation; the exit code."""
    console = Console()
    try:
        run(os.environ, console)
    except PrequelError as error:
        for line in str(error).splitlines():
            console.error(line)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
