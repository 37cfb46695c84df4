# SPDX-License-Identifier: GPL-2.0-only
"""How Sphinx builds the documents: "make docs"."""

import logging
import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(top / "Documentation" / "sphinx"))

project = "kvlane"
author = "The kvlane developers"
copyright = author
version = release = re.search(r"^VERSION := (.*)$", (top / "Makefile").read_text(),
                              re.MULTILINE).group(1)

extensions = ["kerneldoc"]
exclude_patterns = ["example", "sphinx"]
highlight_language = "none"
html_theme = "alabaster"
html_theme_options = {"fixed_sidebar": True, "page_width": "70em"}
html_show_copyright = False
html_copy_source = False
smartquotes = False

# What the kernel's C has that C has not.
c_id_attributes = ["__user", "__rcu", "__always_inline", "__must_check"]


class SameName(logging.Filter):
    """In C a structure and a function may share a name; Sphinx does not know."""

    def filter(self, record):
        return "Duplicate C declaration" not in record.getMessage()


logging.getLogger("sphinx.sphinx.domains.c").addFilter(SameName())
