"""Parts that every package uses, such as AWS clients, environment variables, logs and keys."""
