"""The package `formbridge` of the handlers, under a name inside this package.

The folder `handlers/` is not on the import path of a program that uses the components, and another package on that path
may be called `formbridge`.
"""

from ._packaging import HANDLERS

__path__ = [str(HANDLERS / "formbridge")]
