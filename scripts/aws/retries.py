"""Doing again what lost a race for an object in the bucket."""

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from scripts.aws.bucket import LostRaceError

BACK_OFF = wait_random_exponential(multiplier=0.05, max=0.5)
"""Seconds between two attempts: a random part of a limit that doubles
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)."""

retry_lost_races = retry(
    retry=retry_if_exception_type(LostRaceError), wait=BACK_OFF, stop=stop_after_attempt(20), reraise=True
)
"""Decorates what reads, decides and writes: it is done again when somebody else wrote in between."""
