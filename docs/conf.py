"""How Sphinx makes the site; `docs/book.py` lays out the pages and runs it."""

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import SphinxError
from sphinx.util.docutils import SphinxTranslator

project = "colorlib"
author = "colorlib contributors"
language = "en"
root_doc = "index"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
nb_execution_mode = "off"  # the notebooks are committed executed
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # as written, not as they are on this machine
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 72
default_role = "py:obj"  # `name` in a docstring is a link where that name has a page
napoleon_google_docstring, napoleon_numpy_docstring = True, False

html_theme = "sphinx_book_theme"
html_title = "colorlib"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_domain_indices = html_use_index = False  # the search finds more
html_show_sphinx = False
html_favicon = "_static/icon.svg"
html_context = {"default_mode": "light"}  # figures are drawn for white paper
html_theme_options = {
    "show_navbar_depth": 1,
    "use_download_button": False,
    "navbar_persistent": [],  # one search field is enough: the one beside the contents
}
html_math_renderer = "mathml"
suppress_warnings = ["myst.header"]  # a table of results may skip a level of headings

OTHER_SPELLINGS = {"×": r"\times ", r"\dots": r"\ldots"}  # of what docutils' TeX does not know


def formula(translator: SphinxTranslator, node: nodes.Element, block: bool) -> None:
    """A formula as MathML, which browsers draw by themselves: MathJax would be fetched from a network."""
    tex, frame = node.astext(), '<div class="formula">{}</div>' if block else "{}"
    for known, other in OTHER_SPELLINGS.items():
        tex = tex.replace(known, other)
    try:
        translator.body.append(frame.format(tex2mathml(tex, as_block=block)))
    except MathError as error:
        raise SphinxError(f"cannot set the formula {tex}: {error}") from error
    raise nodes.SkipNode


def setup(app: Any) -> None:
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(lambda translator, node: formula(translator, node, False), None),
        block_renderers=(lambda translator, node: formula(translator, node, True), None),
    )
