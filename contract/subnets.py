"""How the VPC's address block is divided among the subnets."""

from dataclasses import dataclass
from ipaddress import IPv4Network

LONGEST_SUBNET_PREFIX = 27
"""The smallest subnet that an Application Load Balancer accepts
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html)."""

RESERVED_ADDRESSES = 5
"""In each subnet, https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html."""


@dataclass(frozen=True)
class SubnetPlan:
    """The CIDR blocks of the ``public`` and ``private`` subnets, one each per availability zone."""

    public: list[str]
    private: list[str]

    @classmethod
    def of(cls, vpc_cidr: str, zones: int) -> "SubnetPlan":
        """Cuts ``vpc_cidr`` into equal blocks; the private subnets are the first ones, the public begin halfway.

        Sixteen blocks wherever the load balancer's minimum allows them, so that a later rise of ``zones`` moves no
        subnet; in a smaller VPC as few as do. ``zones`` is at most 8.
        """
        network = IPv4Network(vpc_cidr)
        bits = 4 if network.prefixlen + 4 <= LONGEST_SUBNET_PREFIX else (2 * zones - 1).bit_length()
        blocks = [str(block) for block in network.subnets(new_prefix=min(network.prefixlen + bits, 32))]
        half = len(blocks) // 2
        return cls(public=blocks[half : half + zones], private=blocks[:zones])

    @property
    def fits_a_load_balancer(self) -> bool:
        """Whether each subnet has the size that an Application Load Balancer needs."""
        return IPv4Network(self.private[0]).prefixlen <= LONGEST_SUBNET_PREFIX

    @property
    def container_addresses(self) -> int:
        """How many containers the private subnets have addresses for."""
        return sum(IPv4Network(subnet).num_addresses - RESERVED_ADDRESSES for subnet in self.private)
