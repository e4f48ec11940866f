# The role that docs/ci/prequel.yml assumes, and whom GitHub's identity tokens let assume it. Apply it once, with
# administrator's credentials, after `prequel preflight --policy deploy > policies.json`.
#
# https://docs.github.com/actions/security-for-github-actions/security-hardening-your-deployments/configuring-openid-connect-in-amazon-web-services

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 7.0.0"
    }
  }
}

variable "repository" {
  description = "The repository whose workflow deploys, such as acme/interviews."
  type        = string
}

variable "environments" {
  description = "The environments of that repository that may: GitHub's settings say which branches use them."
  type        = list(string)
  default     = ["prod", "prod-plan"]
}

variable "policies" {
  description = "The file with what `prequel preflight --policy deploy` printed."
  type        = string
  default     = "policies.json"
}

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "deploy" {
  name                 = "github-prequel-deploy"
  description          = "Deploys Prequel from GitHub Actions"
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = aws_iam_openid_connect_provider.github.arn }
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = [
            for name in var.environments : "repo:${var.repository}:environment:${name}"
          ]
        }
      }
    }]
  })
}

resource "aws_iam_policy" "deploy" {
  for_each = jsondecode(file(var.policies))

  name   = each.key
  policy = jsonencode(each.value)
}

resource "aws_iam_role_policy_attachment" "deploy" {
  for_each = aws_iam_policy.deploy

  role       = aws_iam_role.deploy.name
  policy_arn = each.value.arn
}

output "role_arn" {
  description = "For the variable PREQUEL_ROLE_ARN of GitHub's environments."
  value       = aws_iam_role.deploy.arn
}
