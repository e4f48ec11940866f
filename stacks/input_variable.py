"""An input variable of a stack with its validations."""

from dataclasses import dataclass
from typing import Any

from cdktf import TerraformVariable, TerraformVariableValidationConfig

from constructs import Construct

REQUIRED = object()
"""Stands for "no default": the client or the shared values must give it."""


@dataclass(frozen=True)
class ValidationRule:
    """One validation: ``condition`` is an HCL expression, ``error`` Terraform's message when it is false."""

    condition: str
    error: str


@dataclass(frozen=True)
class InputVariable:
    """One input variable of the template set."""

    name: str
    type: str
    description: str
    rules: tuple[ValidationRule, ...]
    default: Any = REQUIRED
    ephemeral: bool = False

    def define(self, scope: Construct) -> TerraformVariable:
        """The variable in ``scope``."""
        has_default = {} if self.default is REQUIRED else {"default": self.default}
        variable = TerraformVariable(
            scope,
            self.name,
            type=self.type,
            description=self.description,
            nullable=False,
            sensitive=True if self.ephemeral else None,
            validation=[
                TerraformVariableValidationConfig(condition="${" + rule.condition + "}", error_message=rule.error)
                for rule in self.rules
            ],
            **has_default,
        )
        if self.ephemeral:
            variable.add_override("ephemeral", True)
        return variable


def text_variable(
    name: str, description: str, pattern: str, expected: str, *rules: ValidationRule, default: Any = REQUIRED
) -> InputVariable:
    """A string that matches ``pattern``; with an empty default it may also be left out."""
    left_out = f'var.{name} == "" || ' if default == "" else ""
    matches = ValidationRule(f'{left_out}can(regex("{pattern}", var.{name}))', f"{name} must be {expected}.")
    return InputVariable(name, "string", description, (matches, *rules), default)


def number_variable(
    name: str, description: str, low: int, high: int, expected: str, *, default: Any = REQUIRED
) -> InputVariable:
    """A whole number from ``low`` to ``high``."""
    rules = (
        ValidationRule(f"var.{name} >= {low} && var.{name} <= {high}", f"{name} must be {expected}."),
        ValidationRule(f"floor(var.{name}) == var.{name}", f"{name} must be a whole number."),
    )
    return InputVariable(name, "number", description, rules, default)
