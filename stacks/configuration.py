"""The one configuration: ``terraform.tfvars``, ``backend.config`` and the environment, validated as a whole."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from stacks.backend_settings import BackendSettings
from stacks.hcl_literals import Unusable
from stacks.settings import Settings
from stacks.tfvars import UnreadableFileError, read_assignments

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_Model = TypeVar("_Model", bound=BaseModel)

SETTINGS_FILE = "terraform.tfvars"
BACKEND_FILE = "backend.config"
ENVIRONMENT_PREFIX = "PREQUEL_"


class SettingsError(Exception):
    """The configuration cannot be used; ``problems`` has one line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Configuration:
    """Validated ``settings``, the ``backend`` (``None``: state beside the configuration), and their ``directory``."""

    settings: Settings
    backend: BackendSettings | None
    directory: Path


def load_settings(directory: Path, environment: Mapping[str, str]) -> Configuration:
    """The configuration in ``directory``, where ``PREQUEL_<KEY>`` in ``environment`` overrides a setting.

    Raises ``SettingsError`` with everything that is wrong in either file and in the environment.
    """
    problems = [f"{path.name}: is not read; move its values to {SETTINGS_FILE}" for path in other_values(directory)]
    settings = backend = None
    try:
        given = {key: (SETTINGS_FILE, value) for key, value in read_assignments(directory / SETTINGS_FILE).items()}
    except FileNotFoundError:
        problems.append(
            f"{SETTINGS_FILE}: not found in {directory}; go to the directory that has it, name that in "
            f"PREQUEL_CONFIG_DIR, or copy {SETTINGS_FILE}.example from the repository"
        )
    except UnreadableFileError as error:
        problems.append(str(error))
    else:
        settings = _validated(Settings, given | _overrides(environment), SETTINGS_FILE, problems)
    try:
        given = {key: (BACKEND_FILE, value) for key, value in read_assignments(directory / BACKEND_FILE).items()}
    except FileNotFoundError:
        pass
    except UnreadableFileError as error:
        problems.append(str(error))
    else:
        backend = _validated(BackendSettings, given, BACKEND_FILE, problems)
    if settings is None or problems:
        raise SettingsError(problems)
    return Configuration(settings=settings, backend=backend, directory=directory)


def other_values(directory: Path) -> list[Path]:
    """The files in ``directory`` whose values Terraform would load by itself, and this project does not."""
    # https://developer.hashicorp.com/terraform/language/values/variables#variable-definitions-tfvars-files
    patterns = (f"{SETTINGS_FILE}.json", "*.auto.tfvars", "*.auto.tfvars.json")
    return sorted(path for pattern in patterns for path in directory.glob(pattern))


def _overrides(environment: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    """The settings in ``environment`` with the variable that each came from."""
    found: dict[str, tuple[str, Any]] = {}
    for key, field in Settings.model_fields.items():
        variable = ENVIRONMENT_PREFIX + key.upper()
        if variable in environment:
            text = environment[variable]
            found[key] = (variable, _tags(text) if key == "tags" else _typed(text, field.annotation))
    return found


def _typed(text: str, annotation: Any) -> Any:
    """``text`` as the number, boolean or list that it spells where the field is not text; else as it is."""
    if annotation is bool and text in ("true", "false"):
        return text == "true"
    if annotation is int and re.fullmatch(r"-?[0-9]{1,9}", text):
        return int(text)
    if annotation == list[str]:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _tags(text: str) -> Any:
    """A map from JSON or from ``Key=value,Other=value``; anything else as it is."""
    try:
        return json.loads(text)
    except ValueError:
        pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
        return {key.strip(): value.strip() for key, equals, value in pairs} if all(p[1] for p in pairs) else text


def _validated(
    model: type[_Model], given: Mapping[str, tuple[str, Any]], file: str, problems: list[str]
) -> _Model | None:
    """The model of the values in ``given``, which holds their source too, or ``None`` after adding to ``problems``."""
    try:
        return model.model_validate({key: value for key, (_, value) in given.items()})
    except ValidationError as error:
        # One line a key: its first problem is the one to solve first.
        details = {str(detail["loc"][0]): detail for detail in reversed(error.errors(include_url=False))}
        keys = [*given, *(key for key in model.model_fields if key not in given)]
        problems += [_problem(model, key, details[key], given, file) for key in keys if key in details]
        return None


def _problem(
    model: type[BaseModel], key: str, detail: "ErrorDetails", given: Mapping[str, tuple[str, Any]], file: str
) -> str:
    """One line: where ``key`` came from, its value, and what is accepted."""
    if detail["type"] == "extra_forbidden":
        near = get_close_matches(key, model.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"{file}.example lists them all"
        return f"{file}: {key} is not a setting, {hint}"
    if detail["type"] == "missing":
        return f"{file}: {key} is missing, expected {model.model_fields[key].description}"
    source, value = given.get(key, (file, model.model_fields[key].default))
    if isinstance(value, Unusable):
        return f"{source}: {key} {value.reason}"
    # A validator's message is what it expects; for every other check, the field's description is.
    in_own_words = detail["type"] == "value_error"
    expected = detail.get("ctx", {}).get("error") if in_own_words else model.model_fields[key].description
    return f"{source}: {key} is {_shown(value)}, expected {expected}"


def _shown(value: Any) -> str:
    """``value`` as one would write it in HCL, in one line and not too long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:97]}..."
