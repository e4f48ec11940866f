# What the client says about one interview, then what the shared stack gives it.
# Produced by `make synth` from stacks/interview.py; do not edit.

variable "interview_id" {
  type        = string
  description = "Names the interview and its host: a DNS label of at most 32 characters."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$", var.interview_id))
    error_message = "interview_id must be 1 to 32 lower-case letters, digits and inner hyphens."
  }

  validation {
    condition     = !startswith(var.interview_id, "internal-")
    error_message = "interview_id must not begin with internal-, which Elastic Load Balancing reserves."
  }
}

variable "candidate_name" {
  type        = string
  description = "The candidate's name, for people only: it names no resource."
  nullable    = false

  validation {
    condition     = length(var.candidate_name) >= 1 && length(var.candidate_name) <= 200
    error_message = "candidate_name must have 1 to 200 characters."
  }
}

variable "challenge" {
  type        = string
  description = "The folder below challenge/ in the instance bucket that the candidate gets."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$", var.challenge))
    error_message = "challenge must be a relative path of letters, digits, hyphens and underscores, such as python/rate-limiter."
  }

  validation {
    condition     = length(var.challenge) <= 128
    error_message = "challenge must have at most 128 characters."
  }
}

variable "password" {
  type        = string
  description = "Opens the editor; stored in SSM only, never in state or plan. Leave it out to destroy."
  default     = ""
  nullable    = false
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = var.password == "" || length(var.password) >= 8
    error_message = "password must have at least 8 characters."
  }

  validation {
    condition     = length(var.password) <= 128
    error_message = "password must have at most 128 characters."
  }

  validation {
    condition     = trimspace(var.password) == var.password
    error_message = "password must not begin or end with white space."
  }
}

variable "aws_region" {
  type        = string
  description = "The region of the shared stack."
  nullable    = false

  validation {
    condition     = can(regex("^([abd-z][a-z]|c[a-mo-z])-[a-z]+-[0-9]{1,2}$", var.aws_region))
    error_message = "aws_region must be a region of the partition aws such as eu-central-1."
  }
}

variable "listener_priority" {
  type        = number
  description = "Priority of the listener rule; 0 or null takes the next free one."
  default     = 0
  nullable    = false

  validation {
    condition     = var.listener_priority >= 0 && var.listener_priority <= 50000
    error_message = "listener_priority must be 1 to 50000, or 0 for the next free one."
  }

  validation {
    condition     = floor(var.listener_priority) == var.listener_priority
    error_message = "listener_priority must be a whole number."
  }
}

variable "expires_at" {
  type        = string
  description = "When the interview may be destroyed, RFC 3339 in UTC; a tag, not a timer."
  default     = ""
  nullable    = false

  validation {
    condition     = var.expires_at == "" || can(formatdate("YYYY", var.expires_at))
    error_message = "expires_at must be an RFC 3339 time such as 2026-01-31T12:00:00Z."
  }
}

variable "image_tag" {
  type        = string
  description = "A tag of the code-server repository to run instead of code_server_image."
  default     = ""
  nullable    = false

  validation {
    condition     = var.image_tag == "" || can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag))
    error_message = "image_tag must be a container image tag of at most 128 characters."
  }
}

variable "release_digest" {
  type        = string
  description = "The release that this template set was published as."
  default     = ""
  nullable    = false

  validation {
    condition     = var.release_digest == "" || can(regex("^[0-9a-f]{64}$", var.release_digest))
    error_message = "release_digest must be a SHA-256 in lower-case hexadecimal."
  }
}

variable "task_cpu" {
  type        = number
  description = "CPU units of this interview's task; 0 takes code_server_cpu."
  default     = 0
  nullable    = false

  validation {
    condition     = contains([0, 256, 512, 1024, 2048, 4096, 8192, 16384], var.task_cpu)
    error_message = "task_cpu must be 0 or a Fargate size: 256, 512, 1024, 2048, 4096, 8192 or 16384."
  }
}

variable "task_memory" {
  type        = number
  description = "Memory of this interview's task in MiB; 0 takes code_server_memory."
  default     = 0
  nullable    = false

  validation {
    condition     = var.task_memory == 0 || (var.task_memory >= 512 && var.task_memory <= 122880)
    error_message = "task_memory must be 0 or 512 to 122880 MiB, in a pair that Fargate offers with task_cpu."
  }

  validation {
    condition     = floor(var.task_memory) == var.task_memory
    error_message = "task_memory must be a whole number."
  }
}

variable "task_storage" {
  type        = number
  description = "Disk of this interview's task in GiB; 0 takes code_server_storage."
  default     = 0
  nullable    = false

  validation {
    condition     = var.task_storage == 0 || (var.task_storage >= 21 && var.task_storage <= 200)
    error_message = "task_storage must be 0 or 21 to 200 GiB."
  }

  validation {
    condition     = floor(var.task_storage) == var.task_storage
    error_message = "task_storage must be a whole number."
  }
}

variable "opened" {
  type        = bool
  description = "Whether requests reach the editor; false while it starts, for a client that opens the rule afterwards."
  default     = true
  nullable    = false
}

variable "aws_account_id" {
  type        = string
  description = "The account of the shared stack; any other is refused."
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.aws_account_id))
    error_message = "aws_account_id must be 12 digits."
  }
}

variable "project_prefix" {
  type        = string
  description = "What every name in the account begins with."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.project_prefix))
    error_message = "project_prefix must be 2 to 20 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "environment" {
  type        = string
  description = "The environment, for tags."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,15}$", var.environment))
    error_message = "environment must be 1 to 16 lower-case letters, digits and hyphens, beginning with a letter."
  }
}

variable "tags" {
  type        = map(string)
  description = "The shared stack's tags, for every resource; the interview's own win."
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.tags : length(key) <= 128 && length(value) <= 256])
    error_message = "tags must have keys of at most 128 characters and values of at most 256."
  }
}

variable "url_scheme" {
  type        = string
  description = "How candidates reach the load balancer."
  nullable    = false

  validation {
    condition     = can(regex("^https?$", var.url_scheme))
    error_message = "url_scheme must be http or https."
  }
}

variable "domain_name" {
  type        = string
  description = "Interviews live one label below this domain."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9.-]{1,190}$", var.domain_name))
    error_message = "domain_name must be a lower-case DNS name such as interviews.example.com."
  }
}

variable "create_dns_record" {
  type        = bool
  description = "Whether the interview needs a DNS record of its own; false under the shared wildcard record."
  nullable    = false

  validation {
    condition     = !var.create_dns_record || var.hosted_zone_id != ""
    error_message = "create_dns_record needs hosted_zone_id."
  }
}

variable "hosted_zone_id" {
  type        = string
  description = "The Route 53 zone of domain_name; empty without a domain."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Z0-9]*$", var.hosted_zone_id))
    error_message = "hosted_zone_id must be a zone id such as Z215JYRZR1TBD5."
  }
}

variable "alb_dns_name" {
  type        = string
  description = "The shared load balancer's own name."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9.-]+$", var.alb_dns_name))
    error_message = "alb_dns_name must be a DNS name."
  }
}

variable "alb_zone_id" {
  type        = string
  description = "The shared load balancer's hosted zone."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Z0-9]+$", var.alb_zone_id))
    error_message = "alb_zone_id must be a zone id such as Z215JYRZR1TBD5."
  }
}

variable "listener_arn" {
  type        = string
  description = "The listener that interviews are routed by."
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:elasticloadbalancing:", var.listener_arn))
    error_message = "listener_arn must be the ARN of a listener."
  }
}

variable "vpc_id" {
  type        = string
  description = "The shared VPC."
  nullable    = false

  validation {
    condition     = can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "vpc_id must be an id such as vpc-0123456789abcdef0."
  }
}

variable "private_subnet_ids" {
  type        = list(string)
  description = "Subnets without public addresses, in which the containers run."
  nullable    = false

  validation {
    condition     = length(var.private_subnet_ids) >= 1
    error_message = "private_subnet_ids must hold at least one id."
  }

  validation {
    condition     = alltrue([for id in var.private_subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "private_subnet_ids must hold ids such as subnet-0123456789abcdef0."
  }
}

variable "code_server_security_group_id" {
  type        = string
  description = "Lets in the load balancer only."
  nullable    = false

  validation {
    condition     = can(regex("^sg-[0-9a-f]+$", var.code_server_security_group_id))
    error_message = "code_server_security_group_id must be an id such as sg-0123456789abcdef0."
  }
}

variable "ecs_cluster_arn" {
  type        = string
  description = "The shared ECS cluster; AWS names a service's cluster so, and Terraform compares."
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9_-]+$", var.ecs_cluster_arn))
    error_message = "ecs_cluster_arn must be the ARN of an ECS cluster."
  }
}

variable "execution_role_arn" {
  type        = string
  description = "Pulls the images, reads the password, writes the logs."
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", var.execution_role_arn))
    error_message = "execution_role_arn must be the ARN of an IAM role."
  }
}

variable "task_role_arn" {
  type        = string
  description = "Reads the challenge, for the challenge container only."
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", var.task_role_arn))
    error_message = "task_role_arn must be the ARN of an IAM role."
  }
}

variable "kms_key_arn" {
  type        = string
  description = "The key that encrypts the password."
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

variable "instance_bucket_name" {
  type        = string
  description = "The bucket that holds challenge/."
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9.-]{3,63}$", var.instance_bucket_name))
    error_message = "instance_bucket_name must be the name of a bucket."
  }
}

variable "log_group_name" {
  type        = string
  description = "Receives the containers' output."
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_./#-]{1,512}$", var.log_group_name))
    error_message = "log_group_name must be the name of a log group."
  }
}

variable "code_server_cpu" {
  type        = number
  description = "CPU units of a task; 1024 is one vCPU."
  nullable    = false

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.code_server_cpu)
    error_message = "code_server_cpu must be a Fargate size: 256, 512, 1024, 2048, 4096, 8192 or 16384."
  }
}

variable "code_server_memory" {
  type        = number
  description = "Memory of a task in MiB."
  nullable    = false

  validation {
    condition     = var.code_server_memory >= 512 && var.code_server_memory <= 122880
    error_message = "code_server_memory must be 512 to 122880 MiB, in a pair that Fargate offers with code_server_cpu."
  }

  validation {
    condition     = floor(var.code_server_memory) == var.code_server_memory
    error_message = "code_server_memory must be a whole number."
  }
}

variable "code_server_storage" {
  type        = number
  description = "Disk of a task in GiB, shared by the images and the candidate's files."
  default     = 21
  nullable    = false

  validation {
    condition     = var.code_server_storage >= 21 && var.code_server_storage <= 200
    error_message = "code_server_storage must be 21 to 200 GiB."
  }

  validation {
    condition     = floor(var.code_server_storage) == var.code_server_storage
    error_message = "code_server_storage must be a whole number."
  }
}

variable "cpu_architecture" {
  type        = string
  description = "What the containers run on."
  nullable    = false

  validation {
    condition     = can(regex("^(X86_64|ARM64)$", var.cpu_architecture))
    error_message = "cpu_architecture must be X86_64 or ARM64."
  }
}

variable "code_server_image" {
  type        = string
  description = "The code-server image."
  nullable    = false

  validation {
    condition     = can(regex("^[^ ]+[:@][^ ]+$", var.code_server_image))
    error_message = "code_server_image must be an image with a tag or a digest."
  }
}

variable "code_server_repository_url" {
  type        = string
  description = "The repository in which image_tag is looked up."
  nullable    = false

  validation {
    condition     = can(regex("^[^ :@]+(:[0-9]+)?/[^ :@]+$", var.code_server_repository_url))
    error_message = "code_server_repository_url must be a repository without a tag."
  }
}

variable "challenge_loader_image" {
  type        = string
  description = "The image that delivers the challenge with prequel-load; empty for the interview's own image."
  default     = ""
  nullable    = false

  validation {
    condition     = var.challenge_loader_image == "" || can(regex("^[^ ]+[:@][^ ]+$", var.challenge_loader_image))
    error_message = "challenge_loader_image must be an image with a tag or a digest."
  }
}
