"""How Sphinx builds this site: ``sphinx-build docs var/docs``. Nothing of it asks another host."""

project = "Control plane"
author = "The control plane's authors"
extensions = ["myst_parser"]
exclude_patterns: list[str] = []
html_theme = "furo"
html_title = "Control plane"
html_show_sphinx = False
html_copy_source = False
html_extra_path = ["reference/openapi.yaml"]
myst_heading_anchors = 3
