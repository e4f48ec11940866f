"""Two accounts: one that AWS has raised the quotas of, and a brand-new one, with AWS's answers when one is reached.

Numbers of the new account: Lambda and CodeBuild as new accounts report them (AWS documents that both start lower than
the default: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html,
https://docs.aws.amazon.com/codebuild/latest/userguide/limits.html; aws-secure-environment-accelerator#982); Fargate,
Elastic IPs and target groups are AWS's defaults: https://docs.aws.amazon.com/general/latest/gr/ecs-service.html,
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from uuid import uuid4

from scripts.embedded.checks.backends import active_services, backend, target_groups_in_use
from scripts.embedded.checks.call import Call, Parameters, Refusal


@dataclass(frozen=True)
class SimulatedQuota:
    """One quota by Service Quotas' codes, with its value in either account."""

    service: str
    code: str
    name: str
    new: int
    raised: int


LAMBDA = SimulatedQuota("lambda", "L-B99A9384", "Concurrent executions", 10, 1000)
BUILDS = SimulatedQuota("codebuild", "L-9D07B6EF", "Concurrently running builds for Linux/Small environment", 0, 60)
ARM_BUILDS = SimulatedQuota("codebuild", "L-5ED1D25B", "Concurrently running builds for ARM/Small environment", 0, 60)
FARGATE = SimulatedQuota("fargate", "L-3032A538", "Fargate On-Demand vCPU resource count", 6, 1000)
ADDRESSES = SimulatedQuota("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5, 100)
TARGET_GROUPS = SimulatedQuota(
    "elasticloadbalancing", "L-822D1B1B", "Target groups per Application Load Balancer", 100, 100
)
VPCS = SimulatedQuota("vpc", "L-F678F1CE", "VPCs per Region", 5, 100)
NAT_GATEWAYS = SimulatedQuota("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", 5, 100)
QUOTAS = (LAMBDA, BUILDS, ARM_BUILDS, FARGATE, ADDRESSES, TARGET_GROUPS, VPCS, NAT_GATEWAYS)

_LINKED_ROLES = ("ecs.amazonaws.com", "elasticloadbalancing.amazonaws.com")


class SimulatedAccount:
    """An account, ``new`` or not."""

    def __init__(self, *, new: bool) -> None:
        self._new = new
        self._lock = Lock()

    def value(self, quota: SimulatedQuota) -> int:
        """How much of it this account may have."""
        return quota.new if self._new else quota.raised

    def prepare(self) -> None:
        """Creates what an account that was used before has: the service-linked roles."""
        if not self._new:
            for service in _LINKED_ROLES:
                backend("iam").create_service_linked_role(service, "", "").create_date = datetime(2020, 1, 1)  # noqa: DTZ001

    def counting(self, call: Call) -> AbstractContextManager[Any]:
        """Held from the check of a quota until moto has counted what ``call`` takes of it."""
        return self._lock if call.name in _CHECKS else nullcontext()

    def check(self, call: Call) -> None:
        """Raises ``Refusal`` when ``call`` would take more than a quota allows."""
        found = _CHECKS.get(call.name)
        if found is not None:
            found(self, call)

    def answer(self, call: Call) -> Parameters | None:
        """The answer to a question about quotas, which moto does not know; None for any other call."""
        found = _ANSWERS.get(call.name)
        return None if found is None else found(self, call)

    def after(self, call: Call) -> None:
        """Leaves a service without tasks when Fargate has no room for them: ECS accepts it and reports why."""
        if call.name not in ("ecs:CreateService", "ecs:UpdateService"):
            return
        name = (call.parameters.get("serviceName") or call.parameters["service"]).rsplit("/", 1)[-1]
        cluster = call.parameters.get("cluster", "default").rsplit("/", 1)[-1]
        service = backend("ecs", call.region).services[f"{cluster}:{name}"]
        if (
            sum(map(_cpu_units, active_services(call.region))) <= 1024 * self.value(FARGATE)
            or not service.running_count
        ):
            return
        service.running_count, service.pending_count = 0, service.desired_count
        for deployment in service.deployments:
            deployment.update(runningCount=0, pendingCount=service.desired_count, rolloutState="IN_PROGRESS")
        reason = "You’ve reached the limit on the number of vCPUs you can run concurrently"  # noqa: RUF001  (so AWS writes it)
        message = f"(service {name}) was unable to place a task. Reason: {reason}."
        service.events.append({"id": str(uuid4()), "createdAt": datetime.now(UTC), "message": message})


def _cpu_units(service: Any) -> int:
    definition = backend("ecs", service.region_name).describe_task_definition(service.task_definition)
    return service.running_count * int(definition.cpu or 0) if service.launch_type == "FARGATE" else 0


def _concurrency(account: SimulatedAccount, call: Call) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html."""
    limit = account.value(LAMBDA)
    left = min(limit, 100)
    functions = backend("lambda", call.region).list_functions()
    others = [f.reserved_concurrency for f in functions if f.function_name != call.parameters["FunctionName"]]
    reserved = sum(int(other or 0) for other in others) + call.parameters["ReservedConcurrentExecutions"]
    if call.parameters["ReservedConcurrentExecutions"] and limit - reserved < left:
        raise Refusal(
            "InvalidParameterValueException",
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution"
            f" below its minimum value of [{left}].",
        )


def _build(account: SimulatedAccount, call: Call) -> None:
    limit = account.value(BUILDS)
    histories = list(backend("codebuild", call.region).build_metadata_history.values())
    running = sum(build["buildStatus"] == "IN_PROGRESS" for history in histories for build in history)
    if running >= limit:
        raise Refusal("AccountLimitExceededException", f"Cannot have more than {limit} builds in queue for the account")


def _address(account: SimulatedAccount, call: Call) -> None:
    if len(backend("ec2", call.region).addresses) >= account.value(ADDRESSES):
        raise Refusal("AddressLimitExceeded", "The maximum number of addresses has been reached.")


def _vpc(account: SimulatedAccount, call: Call) -> None:
    if len(backend("ec2", call.region).vpcs) >= account.value(VPCS):
        raise Refusal("VpcLimitExceeded", "The maximum number of VPCs has been reached.")


def _nat_gateway(account: SimulatedAccount, call: Call) -> None:
    ec2, limit = backend("ec2", call.region), account.value(NAT_GATEWAYS)
    zone = ec2.get_subnet(call.parameters["SubnetId"]).availability_zone
    gateways = [one for one in list(ec2.nat_gateways.values()) if one.state == "available"]
    if sum(ec2.get_subnet(one.subnet_id).availability_zone == zone for one in gateways) >= limit:
        raise Refusal(
            "NatGatewayLimitExceeded", f"Performing this operation would exceed the limit of {limit} NAT gateways"
        )


def _rule(account: SimulatedAccount, call: Call) -> None:
    listener, limit = call.parameters["ListenerArn"], account.value(TARGET_GROUPS)
    used = target_groups_in_use(call.region)
    balancer = next((arn for arn in used if listener.startswith(arn.replace(":loadbalancer/", ":listener/"))), "")
    wanted = {arn for action in call.parameters["Actions"] for arn in _forwarded(action)}
    if len(used.get(balancer, set()) | wanted) > limit:
        raise Refusal(
            "TooManyUniqueTargetGroupsPerLoadBalancer",
            "You have reached the maximum number of unique target groups that you can associate with a load balancer of"
            f" type 'application': [{limit}]",
        )


def _forwarded(action: Parameters) -> list[str]:
    groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
    return [arn for arn in (action.get("TargetGroupArn"), *(group["TargetGroupArn"] for group in groups)) if arn]


_CHECKS: dict[str, Callable[[SimulatedAccount, Call], None]] = {
    "codebuild:StartBuild": _build,
    "ec2:AllocateAddress": _address,
    "ec2:CreateNatGateway": _nat_gateway,
    "ec2:CreateVpc": _vpc,
    "elbv2:CreateRule": _rule,
    "lambda:PutFunctionConcurrency": _concurrency,
}


def _described(account: SimulatedAccount, quota: SimulatedQuota, *, default: bool) -> Parameters:
    return {
        "ServiceCode": quota.service,
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": float(quota.raised if default else account.value(quota)),
        "Adjustable": quota is not TARGET_GROUPS,
        "GlobalQuota": False,
    }


def _quota(account: SimulatedAccount, call: Call) -> Parameters | None:
    asked = call.parameters["ServiceCode"], call.parameters["QuotaCode"]
    found = next((quota for quota in QUOTAS if (quota.service, quota.code) == asked), None)
    if found is None:
        return None  # moto knows some of the VPC's
    return {"Quota": _described(account, found, default="Default" in call.operation)}


def _quotas(account: SimulatedAccount, call: Call) -> Parameters:
    found = [quota for quota in QUOTAS if quota.service == call.parameters["ServiceCode"]]
    return {"Quotas": [_described(account, quota, default="Default" in call.operation) for quota in found]}


def _lambda_settings(account: SimulatedAccount, call: Call) -> Parameters:
    limit = account.value(LAMBDA)
    functions = backend("lambda", call.region).list_functions()
    reserved = sum(int(function.reserved_concurrency or 0) for function in functions)
    return {
        "AccountLimit": {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit - reserved},
        "AccountUsage": {"FunctionCount": len(functions)},
    }


_ANSWERS: dict[str, Callable[[SimulatedAccount, Call], Parameters | None]] = {
    "lambda:GetAccountSettings": _lambda_settings,
    "service-quotas:GetAWSDefaultServiceQuota": _quota,
    "service-quotas:GetServiceQuota": _quota,
    "service-quotas:ListAWSDefaultServiceQuotas": _quotas,
    "service-quotas:ListServiceQuotas": _quotas,
}
