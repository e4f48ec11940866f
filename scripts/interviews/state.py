"""An interview's Terraform state in the bucket: what it holds, and Terraform's own lock on it."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from contract.names import lock_key, state_key
from scripts.errors import BusyInterviewError, PrequelError, reason
from scripts.interviews.context import Context
from scripts.interviews.records import timestamp
from scripts.interviews.run_lock import RunLock

OLDEST_FOREIGN_LOCK = timedelta(hours=1)
"""After that a state lock of a client that is not ours counts as stale; none of its creates takes as long."""


FORMAT_VERSION = 4
"""Of the state documents that Terraform 1.x writes."""


class UnreadableStateError(PrequelError):
    """What is stored as an interview's Terraform state is none, or of a format that is not known here."""


def state_addresses(context: Context, interview_id: str) -> frozenset[str]:
    """What the interview's Terraform state holds, by address; empty without a state.

    Read from the state document itself, which takes no terraform process. Raises ``UnreadableStateError``.
    """
    key = state_key(interview_id)
    found = context.objects.read(key)
    return frozenset() if found is None else addresses_in(found.body, key)


def addresses_in(body: bytes, key: str) -> frozenset[str]:
    """What a state document holds, by address; raises ``UnreadableStateError``."""
    addresses = set()
    name = key.rpartition("/")[2].removesuffix(".tfstate")
    remedy = f"`prequel interview recover {name}` sets it aside and finds by name what it listed"
    try:
        document = json.loads(body)
        version = document["version"]
        if version != FORMAT_VERSION:
            raise UnreadableStateError(f"{key} has the format version {version}, expected {FORMAT_VERSION}; {remedy}")
        for resource in document.get("resources") or []:
            for instance in resource.get("instances", []):
                index = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
                addresses.add(f"{resource['type']}.{resource['name']}{index}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableStateError(f"{key} is not a Terraform state ({reason(error)}); {remedy}") from error
    return frozenset(addresses)


def is_empty(body: bytes, key: str) -> bool:
    """Whether a state document is what Terraform itself leaves after a destroy; raises ``UnreadableStateError``."""
    return not addresses_in(body, key) and "lineage" in json.loads(body)


def set_aside_unreadable_state(context: Context, interview_id: str) -> bool:
    """Deletes a state that cannot be read, of which the bucket keeps the version; whether there was one.

    An interview's resources are all found by name, so the next terraform takes them into a new state.
    """
    try:
        state_addresses(context, interview_id)
    except UnreadableStateError as error:
        context.console.event("state-set-aside", interview=interview_id, why=str(error))
        context.objects.delete(state_key(interview_id))
        return True
    return False


@dataclass(frozen=True)
class StateLock:
    """Terraform's lock on a state: who holds it, since when, and for what."""

    who: str
    created: datetime | None
    operation: str

    @classmethod
    def parse(cls, content: bytes) -> "StateLock":
        """The lock stored as ``content``; what cannot be read is left empty."""
        try:
            document = json.loads(content)
            # Terraform writes nanoseconds, which are more than Python reads.
            created = datetime.fromisoformat(document["Created"][:19] + "+00:00")
        except (ValueError, KeyError, TypeError):
            return cls("", None, "unknown operation")
        return cls(str(document.get("Who", "")), created, str(document.get("Operation", "unknown operation")))


def clear_stale_state_lock(context: Context, run: RunLock) -> bool:
    """Removes Terraform's own lock when its owner is provably dead, or not ours and too old; whether there was one.

    Holding the interview proves that every earlier run of ours is dead, so a lock that one of their hosts took is
    stale. Raises ``BusyInterviewError`` for a lock of another client's that may still be alive.
    """
    intent = run.intent
    found = context.objects.read(lock_key(intent.id))
    if found is None:
        return False
    info = StateLock.parse(found.body)
    own_hosts = {step.actor.rsplit("@", 1)[-1] for step in intent.history} | {context.host}
    if run.before is not None:
        own_hosts.add(run.before.host)  # it may have died before its first step
    age = context.now() - info.created if info.created else None
    if info.who.rsplit("@", 1)[-1] not in own_hosts and (age is None or age < OLDEST_FOREIGN_LOCK):
        raise BusyInterviewError(
            f"the state of interview {intent.id} is locked by {info.who or 'an unknown client'} "
            f"since {timestamp(info.created) if info.created else 'an unknown time'} ({info.operation}); "
            f"wait for it, or delete {lock_key(intent.id)} if that client is gone"
        )
    context.objects.delete(lock_key(intent.id))
    context.console.event("lock-cleared", interview=intent.id, who=info.who)
    return True


def clear_own_state_lock(context: Context, run: RunLock, since: datetime) -> bool:
    """Removes the lock that a terraform of ``run`` took after ``since`` and did not know of; whether there was one.

    When the answer to its request is lost, the request is sent again and meets its own lock. No other terraform of this
    machine works on the interview meanwhile. Both times are of this machine's clock.
    """
    found = context.objects.read(lock_key(run.intent.id))
    if found is None:
        return True  # released meanwhile, by whoever had it
    info = StateLock.parse(found.body)
    is_own = info.who.rsplit("@", 1)[-1] == context.host
    if not is_own or info.created is None or info.created < since.replace(microsecond=0):
        return False
    context.objects.delete(lock_key(run.intent.id), if_match=found.etag)
    context.console.event("lock-cleared", interview=run.intent.id, who=info.who)
    return True
