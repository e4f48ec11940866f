"""`prequel challenge try`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scripts.cli.session import JsonOption, Session

if TYPE_CHECKING:
    from scripts.challenges.trial import TrialStep

PathArgument = Annotated[Path, typer.Argument(metavar="PATH", help="The challenge's directory.")]
SolutionOption = Annotated[
    Path | None,
    typer.Option("--solution", metavar="DIR", help="Then copy these files over it; its tests are expected to pass."),
]
WorkOption = Annotated[
    Path | None,
    typer.Option("--work", metavar="DIR", help="Test a candidate's work that was fetched into DIR, instead."),
]
ImageOption = Annotated[
    str,
    typer.Option(
        "--image", metavar="IMAGE", help="An image that the engine has.", show_default="built here from image/"
    ),
]

_SHOWN_LINES = 40
"""Of the output of what did not end as expected."""


def try_(
    path: PathArgument,
    *,
    solution: SolutionOption = None,
    work: WorkOption = None,
    image: ImageOption = "",
    json_lines: JsonOption = False,
) -> None:
    """Try one challenge on this machine, as a candidate would get it.

    Needs Docker or podman. Packs the challenge, delivers it into the candidate's image, runs its setup, looks for its
    tools and runs its tests, which are expected to fail as long as nobody has solved it. Exit code 1 if anything is not
    as expected. The first time, the image is built, which takes minutes.

    With --work, a candidate's work is delivered instead, and its tests are expected to pass. The commands are those of
    the challenge in PATH, not of what the candidate made of it.

    Example: prequel challenge try challenge/python/rate-limiter --solution ~/solutions/rate-limiter
    """
    from scripts.challenges.source import read_challenge
    from scripts.challenges.trial import Trial, read_solution, read_work
    from scripts.engine.engine import Engine
    from scripts.engine.image import editor_image
    from scripts.errors import ChallengeError

    console = Session(json_lines=json_lines).console
    challenge = read_challenge(path)
    if solution and work:
        raise typer.BadParameter("give either --solution or --work")
    if (solution or work) and not challenge.definition.test:
        what = "a solution" if solution else "a candidate's work"
        raise ChallengeError(f"{path} has no test command, expected test in challenge.toml to try {what}")
    solved = read_solution(solution) if solution else None
    made, not_delivered = read_work(work) if work else (None, [])
    for line in not_delivered:
        console.say(f"not delivered: {line}")
    if left_out := (made or challenge.tree).left_out:
        console.say(f"left out: {', '.join(left_out)}")
    steps: list[TrialStep] = []
    with Engine.find() as engine:
        image = image or editor_image(engine, challenge.definition.image, report=console.say)
        with Trial(engine, image, challenge, solved, work=made) as trial:
            for step in trial.steps():
                steps.append(step)
                text = f"{step.step}: {step.command}" + (" (fails, as expected)" if step.exit_code else "")
                if step.problem:
                    console.say("\n".join(step.output.splitlines()[-_SHOWN_LINES:]))
                else:
                    console.done(text, step.seconds, step=step.step, exit_code=step.exit_code)
    problem = steps[-1].problem
    document = {
        "name": challenge.name,
        "title": challenge.title,
        "digest": challenge.digest,
        "image": image,
        "as_expected": not problem,
        "steps": [asdict(step) for step in steps],
    }
    if problem:
        console.event("trial", **document)
        raise ChallengeError(problem)
    without = "" if challenge.definition.test else "; it has no test command in challenge.toml"
    console.result(document, f"{challenge.title}: everything is as expected{without}")
