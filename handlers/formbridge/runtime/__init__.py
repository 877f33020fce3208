"""Parts that every package uses: AWS clients, environment variables, logs, metrics, times and identifiers."""
