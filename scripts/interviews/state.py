"""An interview's Terraform state in the bucket: what it holds, and Terraform's own lock on it."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from contract.names import lock_key, state_key
from scripts.errors import BusyInterviewError, PrequelError
from scripts.interviews.context import Context
from scripts.interviews.records import timestamp
from scripts.interviews.run_lock import RunLock

OLDEST_FOREIGN_LOCK = timedelta(hours=1)
"""After that a state lock of a client that is not ours counts as stale; none of its creates takes as long."""


def state_addresses(context: Context, interview_id: str) -> frozenset[str]:
    """What the interview's Terraform state holds, by address; empty without a state.

    Read from the state document itself (format version 4), which takes no terraform process. Raises ``PrequelError``
    when it is no such document.
    """
    key = state_key(interview_id)
    found = context.objects.read(key)
    if found is None:
        return frozenset()
    addresses = set()
    try:
        for resource in json.loads(found.body).get("resources", []):
            for instance in resource.get("instances", []):
                index = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
                addresses.add(f"{resource['type']}.{resource['name']}{index}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PrequelError(
            f"{key} is not a Terraform state ({error}); restore an earlier version of it, or delete it: "
            f"what it listed is then found by name"
        ) from error
    return frozenset(addresses)


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
