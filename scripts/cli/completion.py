"""What the shell offers when a user presses tab; whatever goes wrong, it offers nothing."""

import os
from collections.abc import Callable
from functools import wraps

import typer

from scripts.cli.session import Session


def _offered(find: Callable[[Session], list[str]]) -> Callable[[typer.Context, str], list[str]]:
    @wraps(find)
    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        from scripts.errors import PrequelError

        config = ctx.find_root().params.get("config")
        if config is not None:
            os.environ["PREQUEL_CONFIG_DIR"] = str(config)
        # boto3 is told by its environment: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
        os.environ["AWS_MAX_ATTEMPTS"] = "1"
        try:
            return [name for name in find(Session()) if name.startswith(incomplete)]
        except PrequelError:
            return []

    del complete.__wrapped__  # typer looks at the parameters
    return complete


@_offered
def interview_ids(session: Session) -> list[str]:
    """The ids of the interviews that are not proven gone."""
    from scripts.interviews.lookup import ids

    return ids(session.context)


@_offered
def challenge_names(session: Session) -> list[str]:
    """The published challenges."""
    from scripts.challenges.catalog import ChallengeBucket

    return ChallengeBucket(session.aws, session.bucket).names()
