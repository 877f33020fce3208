"""Benchmarks. Both sides of each ratio are measured in the same run."""

# The import of `local` appends the folder `handlers` to the import path. Without it, the benchmarks cannot import
# `formbridge`.
import local as local
