"""Asks an AWS account, before anything is created, for whatever would stop a deployment."""
