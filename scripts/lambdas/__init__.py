"""The code of the Lambda functions."""
