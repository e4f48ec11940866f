# State, provider and tags of one interview; the client replaces the backend's three placeholders.
# Produced by `make synth` from stacks/interview.py; do not edit.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 7.0.0"
    }
  }

  backend "s3" {
    bucket       = "TERRAFORM_STATE_BUCKET_PLACEHOLDER"
    key          = "instances/INTERVIEW_ID_PLACEHOLDER.tfstate"
    region       = "AWS_REGION_PLACEHOLDER"
    encrypt      = true
    use_lockfile = true
  }
}

locals {
  tags = {
    Project     = var.project_prefix
    Environment = var.environment
    InterviewId = var.interview_id
    Challenge   = var.challenge
    Release     = var.release_digest
    ExpiresAt   = var.expires_at
  }
}

provider "aws" {
  region              = var.aws_region
  allowed_account_ids = [var.aws_account_id]

  default_tags {
    tags = merge(var.tags, { for key, value in local.tags : key => value if value != "" })
  }
}
