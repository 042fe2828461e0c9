"""Which model a NIM image runs, and which NimCache holds it: one image can run several models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from outfitter.api.v1alpha1.nimcache import NimCache
from outfitter.naming import LABEL_ON_DEMAND, nim_cache
from outfitter.snapshot import Resource

PROFILE: Final = "NIM_MODEL_PROFILE"
_PROFILES: Final = (PROFILE, "NIM_TAGS_SELECTOR")
_MODELS: Final = ("NIM_FT_MODEL", "NIM_CUSTOM_MODEL", "NIM_CUSTOM_MODEL_NAME", "NIM_MANIFEST_PATH")
_MODEL_PREFIX: Final = "NIM_MODEL_"
_SOURCES: Final = ("value", "credential", "secret", "config_map", "pod_field_ref")

Choices = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ModelChoice:
    """The variables of a container that choose its model, and those that choose a profile of it."""

    image: str
    model: Choices = ()
    profile: Choices = ()

    @property
    def cache_name(self) -> str:
        """Return the name of the NimCache on demand."""
        chosen = sorted((*self.model, *self.profile))
        return nim_cache(self.image, orjson.dumps(chosen).decode() if chosen else "")


def model_choice(image: str, variables: Iterable[Any]) -> ModelChoice:
    """Return what the variables of an Artifact or a NimCache choose. Empty values choose nothing."""
    given = {item.name: _text(item) for item in variables if not getattr(item, "exclude", False)}
    profile = sorted((name, text) for name, text in given.items() if name in _PROFILES and text)
    chosen = (name for name in given if name in _MODELS or name.startswith(_MODEL_PREFIX))
    model = sorted((name, given[name]) for name in chosen if name not in _PROFILES and given[name])
    return ModelChoice(image, tuple(model), tuple(profile))


def _text(variable: Any) -> str:
    """Return the value of a variable, or a text that identifies its source."""
    if variable.value is not None:
        return str(variable.value)
    source = next((found for name in _SOURCES if (found := getattr(variable, name, None)) is not None), None)
    return orjson.dumps(source.to_dict(), option=orjson.OPT_SORT_KEYS).decode() if source is not None else ""


def made_on_demand(resource: Resource) -> bool:
    """Return whether the operator created an object because another one needed it."""
    return LABEL_ON_DEMAND in (resource.body["metadata"].get("labels") or {})


def holds(cache: Resource, wanted: ModelChoice) -> bool:
    """Return whether a NimCache of the same image holds a model.

    A cache on demand holds the one that it is named after. A cache of a user that names no profile holds whichever its
    workloads choose, and one with an existing claim that names no model holds what the user put into the claim.
    """
    assert isinstance(cache.model, NimCache)
    if made_on_demand(cache):
        return cache.live.name == wanted.cache_name
    spec = cache.model.spec
    held = model_choice(spec.image, spec.environment_variables)
    if held.model != wanted.model and (held.model or spec.claim_name is None):
        return False
    if held.profile:
        return held.profile == wanted.profile
    profile = dict(wanted.profile).get(PROFILE)
    return not spec.profiles or profile is None or profile in spec.profiles
