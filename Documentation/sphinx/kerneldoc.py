# SPDX-License-Identifier: GPL-2.0-only
"""The directive kernel-doc: the comments of C sources as text.

    .. kernel-doc:: FILE...

Each FILE is relative to the top of the tree. scripts/kernel-doc does the work; what
it warns of becomes a warning of Sphinx, and so does a file with such comments that no
page shows.
"""

import pathlib
import re
import subprocess

import sphinx
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

top = pathlib.Path(__file__).resolve().parent.parent.parent
log = logging.getLogger(__name__)


def kernel_doc(file):
    """Returns the text for a file, and the complaints about it."""
    version = ".".join(sphinx.__version__.split(".")[:2])
    result = subprocess.run(
        [top / "scripts" / "kernel-doc", "-rst", "-sphinx-version", version, file],
        cwd=top, capture_output=True, text=True, check=False)
    complaints = [line for line in result.stderr.splitlines()
                  if not line.startswith("kernel-doc: unpacking")]
    if result.returncode and not complaints:
        complaints = [f"{file}: kernel-doc ended with {result.returncode}"]
    # It names a macro twice.
    text = re.sub(r"^(\.\. c:macro:: (\w+)\n\n)``\2``\n\n", r"\1", result.stdout,
                  flags=re.MULTILINE)
    return text, complaints


class KernelDoc(SphinxDirective):
    required_arguments = 1
    optional_arguments = 1000

    def run(self):
        lines = StringList()
        for file in self.arguments:
            self.env.note_dependency(str(top / file))
            text, complaints = kernel_doc(file)
            for complaint in complaints:
                log.warning(complaint, location=self.get_location())
            for number, line in enumerate(text.splitlines()):
                lines.append(line, file, number)
        node = nodes.section()
        nested_parse_with_titles(self.state, lines, node)
        return node.children


def find_forgotten(app):
    shown = set()
    for page in pathlib.Path(app.srcdir).glob("*.rst"):
        for files in re.findall(r"^\.\. kernel-doc:: (.*)$", page.read_text(), re.MULTILINE):
            shown.update(files.split())
    for folder in "include", "kmod":
        for path in sorted((top / folder).rglob("*.[ch]")):
            file = str(path.relative_to(top))
            if file not in shown and re.search(r"^/\*\*$", path.read_text(), re.MULTILINE):
                log.warning("%s: no page shows its kernel-doc", file)


def setup(app):
    app.add_directive("kernel-doc", KernelDoc)
    app.connect("builder-inited", find_forgotten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
