# What one interview creates: its password, its route and its container.
# Produced by `make synth` from stacks/interview.py; do not edit.

locals {
  hostname      = "${var.interview_id}.${var.domain_name}"
  image         = var.image_tag == "" ? var.code_server_image : "${var.code_server_repository_url}:${var.image_tag}"
  loader_image  = var.challenge_loader_image == "" ? local.image : var.challenge_loader_image
  editor_memory = (var.task_memory > 0 ? var.task_memory : var.code_server_memory) - 128
  paths         = var.opened ? "/*" : "/starting"
  work          = "work/${trimprefix(aws_lb_target_group.target.arn_suffix, "targetgroup/")}/"
}

resource "aws_ssm_parameter" "password" {
  name             = "/${var.project_prefix}/interviews/${var.interview_id}/password"
  type             = "SecureString"
  description      = "Password of interview ${var.interview_id}"
  key_id           = var.kms_key_arn
  value_wo         = var.password
  value_wo_version = 1
}

resource "aws_lb_target_group" "target" {
  name                 = var.interview_id
  deregistration_delay = "5"
  port                 = 8443
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id

  health_check {
    healthy_threshold   = 2
    interval            = 5
    matcher             = "200"
    path                = "/healthz"
    timeout             = 4
    unhealthy_threshold = 10
  }
}

resource "aws_lb_listener_rule" "rule" {
  listener_arn = var.listener_arn
  priority     = var.listener_priority > 0 ? var.listener_priority : null

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.target.arn
  }

  condition {
    host_header {
      values = [local.hostname]
    }
  }

  condition {
    path_pattern {
      values = [local.paths]
    }
  }
}

resource "aws_ecs_task_definition" "task" {
  family                   = "${var.project_prefix}-${var.interview_id}"
  cpu                      = var.task_cpu > 0 ? var.task_cpu : var.code_server_cpu
  execution_role_arn       = var.execution_role_arn
  memory                   = var.task_memory > 0 ? var.task_memory : var.code_server_memory
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  task_role_arn            = var.task_role_arn

  container_definitions = jsonencode([
    {
      name       = "challenge"
      image      = local.loader_image
      essential  = false
      entryPoint = ["prequel-load"]
      environment = [
        { name = "CHALLENGE", value = "s3://${var.instance_bucket_name}/challenge/${var.challenge}/" },
        { name = "WORK", value = "s3://${var.instance_bucket_name}/${local.work}" },
        { name = "WORK_KEY", value = var.kms_key_arn },
      ]
      secrets                = [{ name = "PASSWORD", valueFrom = aws_ssm_parameter.password.arn }]
      user                   = "0:0"
      privileged             = false
      readonlyRootFilesystem = true
      linuxParameters = {
        capabilities = {
          drop = [
            "AUDIT_WRITE",
            "FOWNER",
            "FSETID",
            "KILL",
            "MKNOD",
            "NET_BIND_SERVICE",
            "NET_RAW",
            "SETFCAP",
            "SETGID",
            "SETPCAP",
            "SETUID",
            "SYS_CHROOT",
          ]
        }
      }
      stopTimeout = 10
      mountPoints = [
        { sourceVolume = "home", containerPath = "/home/coder", readOnly = false },
        { sourceVolume = "tmp", containerPath = "/tmp", readOnly = false },
        { sourceVolume = "session", containerPath = "/run/prequel", readOnly = false },
      ]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          "awslogs-group"         = var.log_group_name
          "awslogs-region"        = var.aws_region
          "awslogs-stream-prefix" = var.interview_id
          mode                    = "non-blocking"
          "max-buffer-size"       = "4m"
        }
      }
    },
    {
      name      = "saver"
      image     = local.loader_image
      essential = false
      restartPolicy = {
        enabled = true
      }
      dependsOn  = [{ containerName = "challenge", condition = "SUCCESS" }]
      entryPoint = ["setpriv", "--no-new-privs", "prequel-save"]
      environment = [
        { name = "WORK", value = "s3://${var.instance_bucket_name}/${local.work}" },
        { name = "WORK_KEY", value = var.kms_key_arn },
      ]
      secrets                = [{ name = "PASSWORD", valueFrom = aws_ssm_parameter.password.arn }]
      user                   = "1000:1000"
      privileged             = false
      readonlyRootFilesystem = true
      linuxParameters = {
        capabilities = {
          drop = ["ALL"]
        }
      }
      memory      = 128
      stopTimeout = 60
      mountPoints = [
        { sourceVolume = "home", containerPath = "/home/coder", readOnly = true },
        { sourceVolume = "session", containerPath = "/run/prequel", readOnly = false },
      ]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          "awslogs-group"         = var.log_group_name
          "awslogs-region"        = var.aws_region
          "awslogs-stream-prefix" = var.interview_id
          mode                    = "non-blocking"
          "max-buffer-size"       = "4m"
        }
      }
    },
    {
      name      = "code-server"
      image     = local.image
      essential = true
      dependsOn = [
        { containerName = "challenge", condition = "SUCCESS" },
        { containerName = "saver", condition = "START" },
      ]
      entryPoint = [
        "/bin/sh",
        "-euc",
        "exec env -i HOME=/home/coder LANG=C.UTF-8 PASSWORD=\"$PASSWORD\" PATH=\"$PATH\" SHELL=/bin/bash USER=coder setpriv --no-new-privs dumb-init -- \"$@\"",
        "start",
      ]
      command = [
        "code-server",
        "--bind-addr",
        "0.0.0.0:8443",
        "--auth",
        "password",
        "--disable-telemetry",
        "--disable-update-check",
        "--disable-workspace-trust",
        "--welcome-text",
        "Your interview",
        "/home/coder/challenge",
      ]
      user                   = "1000:1000"
      privileged             = false
      readonlyRootFilesystem = true
      linuxParameters = {
        capabilities = {
          drop = ["ALL"]
        }
      }
      memory       = local.editor_memory
      ulimits      = [{ name = "nofile", softLimit = 65535, hardLimit = 65535 }]
      stopTimeout  = 10
      portMappings = [{ containerPort = 8443, protocol = "tcp" }]
      mountPoints = [
        { sourceVolume = "home", containerPath = "/home/coder", readOnly = false },
        { sourceVolume = "tmp", containerPath = "/tmp", readOnly = false },
        { sourceVolume = "session", containerPath = "/run/prequel", readOnly = true },
      ]
      secrets = [{ name = "PASSWORD", valueFrom = aws_ssm_parameter.password.arn }]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          "awslogs-group"         = var.log_group_name
          "awslogs-region"        = var.aws_region
          "awslogs-stream-prefix" = var.interview_id
          mode                    = "non-blocking"
          "max-buffer-size"       = "4m"
        }
      }
    },
  ])

  ephemeral_storage {
    size_in_gib = var.task_storage > 0 ? var.task_storage : var.code_server_storage
  }

  runtime_platform {
    cpu_architecture        = var.cpu_architecture
    operating_system_family = "LINUX"
  }

  volume {
    name = "home"
  }

  volume {
    name = "tmp"
  }

  volume {
    name = "session"
  }
}

resource "aws_ecs_service" "code_server" {
  name                               = var.interview_id
  availability_zone_rebalancing      = "DISABLED"
  cluster                            = var.ecs_cluster_arn
  deployment_maximum_percent         = 100
  deployment_minimum_healthy_percent = 0
  desired_count                      = 1
  enable_ecs_managed_tags            = true
  health_check_grace_period_seconds  = 120
  launch_type                        = "FARGATE"
  propagate_tags                     = "SERVICE"
  task_definition                    = aws_ecs_task_definition.task.arn

  deployment_circuit_breaker {
    enable   = true
    rollback = false
  }

  load_balancer {
    container_name   = "code-server"
    container_port   = 8443
    target_group_arn = aws_lb_target_group.target.arn
  }

  network_configuration {
    assign_public_ip = false
    security_groups  = [var.code_server_security_group_id]
    subnets          = var.private_subnet_ids
  }

  depends_on = [aws_lb_listener_rule.rule]
}

resource "aws_route53_record" "record" {
  count = var.create_dns_record ? 1 : 0

  name    = local.hostname
  type    = "A"
  zone_id = var.hosted_zone_id

  alias {
    name                   = var.alb_dns_name
    evaluate_target_health = false
    zone_id                = var.alb_zone_id
  }
}
