# What one interview tells its client.
# Produced by `make synth` from stacks/interview.py; do not edit.

output "interview_id" {
  description = "The interview's id."
  value       = var.interview_id
}

output "candidate_name" {
  description = "The candidate's name as given."
  value       = var.candidate_name
}

output "challenge" {
  description = "The challenge that the candidate gets."
  value       = var.challenge
}

output "access_url" {
  description = "Where the candidate opens the editor."
  value       = "${var.url_scheme}://${local.hostname}"
}

output "subdomain" {
  description = "The interview's host name."
  value       = local.hostname
}

output "service_name" {
  description = "The ECS service."
  value       = aws_ecs_service.code_server.name
}

output "target_group_arn" {
  description = "The target group."
  value       = aws_lb_target_group.target.arn
}

output "listener_rule_arn" {
  description = "The listener rule."
  value       = aws_lb_listener_rule.rule.arn
}

output "work_prefix" {
  description = "The prefix of the candidate's saved work in the instance bucket."
  value       = local.work
}

output "expires_at" {
  description = "When the interview may be destroyed; empty if never."
  value       = var.expires_at
}
