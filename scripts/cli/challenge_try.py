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
ImageOption = Annotated[
    str,
    typer.Option(
        "--image", metavar="IMAGE", help="An image that the engine has.", show_default="built here from image/"
    ),
]

_SHOWN_LINES = 40
"""Of the output of what did not end as expected."""


def try_(
    path: PathArgument, *, solution: SolutionOption = None, image: ImageOption = "", json_lines: JsonOption = False
) -> None:
    """Try one challenge on this machine, as a candidate would get it.

    Needs Docker or podman. Packs the challenge, delivers it into the candidate's image, runs its setup, looks for its
    tools and runs its tests, which are expected to fail as long as nobody has solved it. Exit code 1 if anything is not
    as expected. The first time, the image is built, which takes minutes.

    Example: prequel challenge try challenge/python/rate-limiter --solution ~/solutions/rate-limiter
    """
    from scripts.challenges.source import read_challenge
    from scripts.challenges.trial import Trial, read_solution
    from scripts.engine.engine import Engine
    from scripts.engine.image import editor_image
    from scripts.errors import ChallengeError

    console = Session(json_lines=json_lines).console
    challenge = read_challenge(path)
    solved = read_solution(solution) if solution else None
    if solved and not challenge.definition.test:
        raise ChallengeError(f"{path} has no test command, expected test in challenge.toml to try a solution")
    if challenge.tree.left_out:
        console.say(f"left out: {', '.join(challenge.tree.left_out)}")
    steps: list[TrialStep] = []
    with Engine.find() as engine:
        image = image or editor_image(engine, challenge.definition.image, report=console.say)
        with Trial(engine, image, challenge, solved) as trial:
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
