"""What of this package runs on AWS."""

from stacks.programs import Programs

PROGRAMS = Programs(
    runner="scripts.runner",
    reaper="scripts.lambdas.reaper.handler",
    image_starter="scripts.lambdas.image_index.start",
    image_recorder="scripts.lambdas.image_index.record",
)
