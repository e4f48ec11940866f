"""The domain's TLS certificate, validated through DNS."""

from cdktf import TerraformResourceLifecycle

from constructs import Construct
from constructs.aws import AcmCertificate, AcmCertificateValidation, DataAwsRoute53Zone, Route53Record
from constructs.waivers import waive

VALIDATION_RECORD_TTL_SECONDS = 300


class Certificate(Construct):
    """A certificate for ``domain_name`` and every name one label below it, in an existing public zone.

    Outputs: ``arn`` (known once AWS has validated the certificate), ``domain_name`` and ``zone_id``.
    """

    def __init__(self, scope: Construct, id: str, *, domain_name: str, hosted_zone_name: str) -> None:
        super().__init__(scope, id)
        self.domain_name = domain_name
        self.zone_id = DataAwsRoute53Zone(self, "zone", name=hosted_zone_name, private_zone=False).zone_id
        certificate = AcmCertificate(
            self,
            "certificate",
            domain_name=domain_name,
            subject_alternative_names=[f"*.{domain_name}"],
            validation_method="DNS",
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
        )
        waive(
            certificate,
            "CKV2_AWS_71",
            "an interview must be ready in seconds; and a certificate for each would publish all their names",
            "https://docs.aws.amazon.com/acm/latest/userguide/acm-concepts.html#concept-transparency",
        )
        # A name and its wildcard are validated by one and the same record
        # (https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html).
        options = f"{certificate.fqn}.domain_validation_options"
        option = f'one([for option in {options} : option if option.domain_name == "{domain_name}"])'
        record = Route53Record(
            self,
            "validation",
            zone_id=self.zone_id,
            name=f"${{{option}.resource_record_name}}",
            type=f"${{{option}.resource_record_type}}",
            records=[f"${{{option}.resource_record_value}}"],
            ttl=VALIDATION_RECORD_TTL_SECONDS,
            # AWS asks for the same record again for every certificate of the account for this name.
            allow_overwrite=True,
        )
        validated = AcmCertificateValidation(
            self, "validated", certificate_arn=certificate.arn, validation_record_fqdns=[record.fqdn]
        )
        self.arn = validated.certificate_arn
