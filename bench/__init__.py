"""Benchmarks: ratios measured side by side in one run."""

# Before any module here imports `formbridge`: it puts the handlers' directory on the import path.
import local as local
