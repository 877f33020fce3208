"""Benchmarks. Both sides of each ratio are measured in the same run."""

# `local` puts the handlers' folder on the import path. The modules here need that to import `formbridge`.
import local as local
