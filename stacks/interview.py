"""The interview stack: rendered once into the template set that every interview is created from."""

from cdktf import S3Backend, TerraformLocal, Token

from constructs import Construct
from constructs.interview_service import InterviewService
from contract.names import PLACEHOLDERS, state_key
from stacks.base import ReadableStack, aws_provider, define_outputs
from stacks.interview_variables import CLIENT_VARIABLES, SHARED_VARIABLES


class InterviewStack(ReadableStack):
    """One interview, independent of any setting: all that varies is a variable."""

    GROUPING_SCOPES = ReadableStack.GROUPING_SCOPES | {"service"}

    def __init__(self, scope: Construct, id: str) -> None:
        super().__init__(scope, id)
        bucket, interview_id, region = PLACEHOLDERS
        S3Backend(self, bucket=bucket, key=state_key(interview_id), region=region, encrypt=True)
        self.add_override("terraform.backend.s3.use_lockfile", True)

        inputs = Construct(self, "variables")
        variables = {v.name: v.define(inputs) for v in (*CLIENT_VARIABLES, *SHARED_VARIABLES)}
        text = {name: variable.string_value for name, variable in variables.items()}
        tags = TerraformLocal(
            self,
            "tags",
            {
                "Project": text["project_prefix"],
                "Environment": text["environment"],
                "InterviewId": text["interview_id"],
                "Challenge": text["challenge"],
                "Release": text["release_digest"],
                "ExpiresAt": text["expires_at"],
            },
        )
        aws_provider(
            self,
            region=text["aws_region"],
            account_ids=[text["aws_account_id"]],
            tags=Token.as_string_map(
                "${merge(var.tags, { for key, value in " + tags.fqn + ' : key => value if value != "" })}'
            ),
        )
        interview = InterviewService(self, "service", variables=variables)
        outputs = {
            "interview_id": (text["interview_id"], "The interview's id."),
            "candidate_name": (text["candidate_name"], "The candidate's name as given."),
            "challenge": (text["challenge"], "The challenge that the candidate gets."),
            "access_url": (f"{text['url_scheme']}://{interview.hostname}", "Where the candidate opens the editor."),
            "subdomain": (interview.hostname, "The interview's host name."),
            "service_name": (interview.service.name, "The ECS service."),
            "target_group_arn": (interview.target_group.arn, "The target group."),
            "listener_rule_arn": (interview.listener_rule.arn, "The listener rule."),
            "work_prefix": (interview.work, "The prefix of the candidate's saved work in the instance bucket."),
            "expires_at": (text["expires_at"], "When the interview may be destroyed; empty if never."),
        }
        define_outputs(self, outputs)
