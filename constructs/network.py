"""The VPC: public subnets for the load balancer and NAT, private ones for the containers."""

from collections.abc import Sequence

from constructs import Construct
from constructs.aws import (
    DataAwsAvailabilityZones,
    DataAwsAvailabilityZonesFilter,
    DefaultSecurityGroup,
    Eip,
    InternetGateway,
    NatGateway,
    Route,
    RouteTable,
    RouteTableAssociation,
    Subnet,
    Vpc,
    VpcEndpoint,
)
from constructs.project import Project
from contract.subnets import SubnetPlan

ANYWHERE = "0.0.0.0/0"


class Network(Construct):
    """One public and one private subnet in each of ``zones`` availability zones: those of ``zone_names``, if any.

    Private subnets reach the internet through NAT: one gateway for all zones, or one in each with
    ``nat_in_each_zone``. Outputs: ``cidr``, ``vpc_id``, ``public_subnet_ids``, ``private_subnet_ids`` and
    ``nat_gateway_ids``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        project: Project,
        cidr: str,
        zones: int,
        zone_names: Sequence[str] = (),
        nat_in_each_zone: bool,
    ) -> None:
        super().__init__(scope, id)
        self._name = name = project.prefix
        self.cidr = cidr
        plan = SubnetPlan.of(cidr, zones)
        self.vpc_id = Vpc(
            self, "vpc", cidr_block=cidr, enable_dns_support=True, enable_dns_hostnames=True, tags={"Name": name}
        ).id
        # Without rules it lets nothing in or out, so that nothing works by accident of landing in it.
        DefaultSecurityGroup(self, "default", vpc_id=self.vpc_id, tags={"Name": f"{name}-default-closed"})
        self._zones = list(zone_names) or self._first_zones(zones)

        internet = InternetGateway(self, "internet", vpc_id=self.vpc_id, tags={"Name": name})
        public_routes = self._route_table("public")
        to_internet = Route(
            self,
            "public_internet",
            route_table_id=public_routes.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=internet.id,
        )
        self.public_subnet_ids = [
            self._subnet("public", index, block, to_internet) for index, block in enumerate(plan.public)
        ]
        gateways = [
            self._nat_gateway(index, subnet_id)
            for index, subnet_id in enumerate(
                self.public_subnet_ids if nat_in_each_zone else self.public_subnet_ids[:1]
            )
        ]
        self.nat_gateway_ids = [gateway.id for gateway in gateways]
        to_nat = [self._route_to_nat(index, gateway) for index, gateway in enumerate(gateways)]
        self.private_subnet_ids = [
            self._subnet("private", index, block, to_nat[index % len(to_nat)])
            for index, block in enumerate(plan.private)
        ]
        # Free of charge, and container image layers come from S3: without it they would all be paid for at the NAT.
        VpcEndpoint(
            self,
            "s3",
            vpc_id=self.vpc_id,
            service_name=f"com.amazonaws.{project.account.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[route.route_table_id for route in to_nat],
            tags={"Name": f"{name}-s3"},
        )

    def _first_zones(self, count: int) -> list[str]:
        offered = DataAwsAvailabilityZones(
            self,
            "zones",
            state="available",
            # Leaves out local zones and Wavelength zones, which hold no load balancer and no Fargate.
            filter=[DataAwsAvailabilityZonesFilter(name="opt-in-status", values=["opt-in-not-required"])],
        )
        # An index beyond the region's zones fails the plan; element() would silently wrap around.
        return [f"${{{offered.fqn}.names[{index}]}}" for index in range(count)]

    def _route_table(self, label: str) -> RouteTable:
        return RouteTable(self, f"{label}_routes", vpc_id=self.vpc_id, tags={"Name": f"{self._name}-{label}"})

    def _subnet(self, kind: str, index: int, cidr: str, way_out: Route) -> str:
        """The id of a new subnet, known to Terraform only once the subnet has its ``way_out``.

        AWS refuses a load balancer or a NAT gateway whose VPC has no internet gateway yet.
        """
        subnet = Subnet(
            self,
            f"{kind}_{index}",
            vpc_id=self.vpc_id,
            availability_zone=self._zones[index],
            cidr_block=cidr,
            map_public_ip_on_launch=False,
            tags={"Name": f"{self._name}-{kind}-{index}"},
        )
        return RouteTableAssociation(
            self, f"{kind}_{index}_routes", subnet_id=subnet.id, route_table_id=way_out.route_table_id
        ).subnet_id

    def _nat_gateway(self, index: int, subnet_id: str) -> NatGateway:
        tags = {"Name": f"{self._name}-nat-{index}"}
        address = Eip(self, f"nat_{index}_address", domain="vpc", tags=tags)
        return NatGateway(self, f"nat_{index}", subnet_id=subnet_id, allocation_id=address.id, tags=tags)

    def _route_to_nat(self, index: int, gateway: NatGateway) -> Route:
        table = self._route_table(f"private_nat_{index}")
        return Route(
            self,
            f"private_nat_{index}",
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            nat_gateway_id=gateway.id,
        )
