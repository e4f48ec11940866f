# What an interview costs in resources and time when the specification is read to the letter and nothing is shared:
# a load balancer, security group and DNS record of its own. Written for `make bench`, to be measured beside ours.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 7.0.0"
    }
  }

  backend "s3" {
    bucket = "TERRAFORM_STATE_BUCKET_PLACEHOLDER"
    key    = "instances/INTERVIEW_ID_PLACEHOLDER.tfstate"
    region = "AWS_REGION_PLACEHOLDER"
  }
}

provider "aws" {
  region = var.aws_region
}

variable "interview_id" { type = string }
variable "aws_region" { type = string }
variable "vpc_id" { type = string }
variable "private_subnet_ids" { type = list(string) }
variable "ecs_cluster_arn" { type = string }
variable "execution_role_arn" { type = string }
variable "task_role_arn" { type = string }
variable "code_server_image" { type = string }
variable "domain_name" { type = string }
variable "hosted_zone_id" { type = string }

variable "password" {
  type      = string
  sensitive = true
}

resource "aws_security_group" "load_balancer" {
  name   = "${var.interview_id}-alb"
  vpc_id = var.vpc_id
}

resource "aws_security_group" "code_server" {
  name   = "${var.interview_id}-code-server"
  vpc_id = var.vpc_id
}

resource "aws_lb" "interview" {
  name            = var.interview_id
  subnets         = var.private_subnet_ids
  security_groups = [aws_security_group.load_balancer.id]
}

resource "aws_lb_target_group" "code_server" {
  name        = var.interview_id
  vpc_id      = var.vpc_id
  target_type = "ip"
  port        = 8443
  protocol    = "HTTP"
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.interview.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.code_server.arn
  }
}

resource "aws_ssm_parameter" "password" {
  name  = "/plain/${var.interview_id}/password"
  type  = "SecureString"
  value = var.password
}

resource "aws_ecs_task_definition" "code_server" {
  family                   = "plain-${var.interview_id}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 1024
  memory                   = 2048
  execution_role_arn       = var.execution_role_arn
  task_role_arn            = var.task_role_arn

  container_definitions = jsonencode([{
    name         = "code-server"
    image        = var.code_server_image
    portMappings = [{ containerPort = 8443 }]
    secrets      = [{ name = "PASSWORD", valueFrom = aws_ssm_parameter.password.arn }]
  }])
}

resource "aws_ecs_service" "code_server" {
  name            = var.interview_id
  cluster         = var.ecs_cluster_arn
  task_definition = aws_ecs_task_definition.code_server.arn
  desired_count   = 1
  launch_type     = "FARGATE"

  network_configuration {
    subnets         = var.private_subnet_ids
    security_groups = [aws_security_group.code_server.id]
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.code_server.arn
    container_name   = "code-server"
    container_port   = 8443
  }

  depends_on = [aws_lb_listener.http]
}

resource "aws_route53_record" "interview" {
  zone_id = var.hosted_zone_id
  name    = "${var.interview_id}.${var.domain_name}"
  type    = "A"

  alias {
    name                   = aws_lb.interview.dns_name
    zone_id                = aws_lb.interview.zone_id
    evaluate_target_health = false
  }
}

output "access_url" {
  value = "http://${aws_route53_record.interview.name}"
}
