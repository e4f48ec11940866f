"""What AWS refuses and moto accepts: each module checks one kind, from tables; docs/embedded-aws.md explains them."""
