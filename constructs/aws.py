"""The AWS bindings this project uses, and the only module that imports them.

The bindings' root package imports all of its 2,200 modules when it runs, which costs 11 seconds and half a
gigabyte. It is registered here unexecuted instead, so that only the named submodules load
(docs/decisions/0002-unexecuted-root-import.md). A move to CDK Terrain changes the one name in ``_BINDINGS``
and the package name of the imports below.
"""

import importlib.util
import sys

_BINDINGS = "cdktf_cdktf_provider_aws"

if _BINDINGS not in sys.modules:
    _spec = importlib.util.find_spec(_BINDINGS)
    if _spec is None:
        raise ImportError(f"{_BINDINGS} is not installed; run `make setup`")
    sys.modules[_BINDINGS] = importlib.util.module_from_spec(_spec)

# ruff: noqa: E402  (the imports below must follow the registration above)
from cdktf_cdktf_provider_aws.ecs_service import (
    EcsService,
    EcsServiceDeploymentCircuitBreaker,
    EcsServiceLoadBalancer,
    EcsServiceNetworkConfiguration,
)
from cdktf_cdktf_provider_aws.ecs_task_definition import (
    EcsTaskDefinition,
    EcsTaskDefinitionRuntimePlatform,
    EcsTaskDefinitionVolume,
)
from cdktf_cdktf_provider_aws.lb_listener_rule import (
    LbListenerRule,
    LbListenerRuleAction,
    LbListenerRuleCondition,
    LbListenerRuleConditionHostHeader,
)
from cdktf_cdktf_provider_aws.lb_target_group import LbTargetGroup, LbTargetGroupHealthCheck
from cdktf_cdktf_provider_aws.provider import AwsProvider, AwsProviderDefaultTags
from cdktf_cdktf_provider_aws.route53_record import Route53Record, Route53RecordAlias
from cdktf_cdktf_provider_aws.ssm_parameter import SsmParameter
