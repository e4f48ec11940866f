"""An input variable of a stack with its validations."""

from dataclasses import dataclass
from typing import Any

from cdktf import TerraformVariable, TerraformVariableValidationConfig

from constructs import Construct

REQUIRED = object()
"""Stands for "no default": the client or the shared values must give it."""


@dataclass(frozen=True)
class Rule:
    """One validation: ``condition`` is an HCL expression, ``error`` Terraform's message when it is false."""

    condition: str
    error: str


@dataclass(frozen=True)
class InputVariable:
    """One input variable of the template set."""

    name: str
    type: str
    description: str
    rules: tuple[Rule, ...]
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
            ]
            or None,
            **has_default,
        )
        if self.ephemeral:
            variable.add_override("ephemeral", True)
        return variable


def variable(
    name: str, type_: str, description: str, *rules: Rule, default: Any = REQUIRED, ephemeral: bool = False
) -> InputVariable:
    """A variable of any type with its validations."""
    return InputVariable(name, type_, description, rules, default, ephemeral)


def text_variable(
    name: str, description: str, pattern: str, expected: str, *rules: Rule, default: Any = REQUIRED
) -> InputVariable:
    """A string that matches ``pattern``; with an empty default it may also be left out."""
    left_out = f'var.{name} == "" || ' if default == "" else ""
    matches = Rule(f'{left_out}can(regex("{pattern}", var.{name}))', f"{name} must be {expected}.")
    return variable(name, "string", description, matches, *rules, default=default)


def number_variable(
    name: str, description: str, limits: tuple[int, int], expected: str, *, default: Any = REQUIRED
) -> InputVariable:
    """A whole number within ``limits``."""
    low, high = limits
    within = Rule(f"var.{name} >= {low} && var.{name} <= {high}", f"{name} must be {expected}.")
    whole = Rule(f"floor(var.{name}) == var.{name}", f"{name} must be a whole number.")
    return variable(name, "number", description, within, whole, default=default)
