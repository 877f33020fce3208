"""Alias of the package `handlers/formbridge`, so that the components can import it.

A program that uses the components does not have the folder `handlers/` on its import path. A different package on its
import path may be called `formbridge`.
"""

from ._packaging import HANDLERS

__path__ = [str(HANDLERS / "formbridge")]
