"""Every act that the log of the operator shows, and the Event that reports it: one row each.

One module: it is one table.
"""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """The field `action` of a log line: a word that scripts can compare.

    `meaning` is Markdown for the guide. `event` is the reason of the Event, "" for none; `warns`: line and Event are
    warnings.
    """

    meaning: str
    event: str
    warns: bool

    def __new__(cls, value: str, meaning: str, event: str = "", warns: bool = False) -> Action:
        """Create a member from one row of the table."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        member.event = event
        member.warns = warns
        return member

    CHANGE = (
        "change",
        "Somebody created the object or changed `fields` of its spec. `author` has the name, where identity policies "
        "record it. A change while no operator ran has no `fields`.",
    )
    REMOVE = ("remove", "The object was deleted. Kubernetes then deletes its children.")
    CREATE = ("create", "Outfitter created a child object.", "Created")
    UPDATE = (
        "update",
        "Outfitter changed `fields` of a child object, because its inputs changed. `reason` is `SpecChanged` after a "
        "change of the object itself, `Restarted` with a restart, else `InputChanged`.",
        "Updated",
    )
    REPAIR = (
        "repair",
        "`manager` had changed `fields` of a child object, and Outfitter set them back.",
        "Repaired",
    )
    RECREATE = (
        "recreate",
        "Outfitter created a child object again. `reason` is `Deleted` if somebody had deleted it, and `Replaced` if "
        "a field changed that cannot change.",
        "Repaired",
    )
    DELETE = (
        "delete",
        "Outfitter deleted an object. `reason` is `Unwanted`, or `Replaced` if it is created again.",
        "Updated",
    )
    COLLECT = ("collect", "Outfitter deleted a child object whose owner does not exist any more.")
    START = ("start", "A stopped workload starts.", "Updated")
    STOP = ("stop", "A workload stops: by `suspend`, or because of `reason`.", "Stopped")
    RESTART = ("restart", "A workload gets new pods, because annotation `restartedAt` changed.", "Restarted")
    LOCK = ("lock", "An Artifact is locked from now on. `message` has its version.", "Locked")
    DOWNLOAD = ("download", "The model of a NimCache is complete.", "Downloaded")
    REFUSE = (
        "refuse",
        "The API server rejected a write. `manager` is who refused: a policy, a webhook, a quota, Pod Security, RBAC.",
        "",
        True,
    )
    VIOLATE = (
        "violate",
        "A workload breaks a rule of the WorkloadPolicy `manager`. `fields` has the field.",
        "Violated",
        True,
    )
    NAME_TAKEN = ("name_taken", "An unmanaged object has the name of a child object.", "", True)
    BACK_OFF = (
        "back_off",
        "`manager` changes `fields` of a child object after each write. Outfitter waits `seconds` until the next one.",
        "",
        True,
    )
    STALL = ("stall", "The object cannot continue. You must fix something: `reason` and `message` say what.", "", True)
    WAIT = ("wait", "The object waits for something that is missing or fails: see `reason` and `message`.")
    OTHER_INSTALLATION = (
        "other_installation",
        "Another installation manages the object.",
        "OtherInstallation",
        True,
    )
    RETRY = ("retry", "A request failed. Outfitter reconciles the object again in `seconds`.")
    FAIL = ("fail", "A defect of Outfitter. `exception` has the traceback. Please report it.", "", True)
    PROCESS = ("process", "About the process and not about one object: start, Lease, watches, settings.")
    LIBRARY = ("library", "A message of a library that Outfitter uses, such as kopf or aiohttp.")
