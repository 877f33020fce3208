"""Pulumi plugin with which other languages use the components: `pulumi package add …/components`."""

import sys
from pathlib import Path

from pulumi.provider.experimental.host import component_provider_host, components_from_module

VERSION = "0.1.0"
"""Version of the plugin. It equals the version in `pyproject.toml`."""

if __name__ == "__main__":
    # When Python runs a folder, `sys.path[0]` is that folder. `import components` needs the parent folder instead.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    import components

    component_provider_host(components_from_module(components), "formbridge", "formbridge", VERSION)
