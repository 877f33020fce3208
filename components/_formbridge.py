"""The package of the handlers, under a name of ours: it is not on an importer's path, where its own may be taken."""

from ._packaging import HANDLERS

__path__ = [str(HANDLERS / "formbridge")]
