"""Sphinx's settings for the site; `python -m tools.site` calls Sphinx with them."""

import os
from pathlib import Path

SOURCE = Path(os.environ["COURSE_SITE_SOURCE"])

project = "Variational autoencoders, from the ground up"
author = "The vae-course authors"
copyright = "code: MIT licence; text and figures: CC BY 4.0"
language = "en"

extensions = ["myst_nb", "tools.site.extension"]
exclude_patterns = ["extra/**"]
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
myst_heading_slug_func = "tools.site.extension.slug"
myst_dmath_double_inline = True
# Of a figure's forms take the image; of everything else the page, if it has one.
nb_mime_priority_overrides = [("html", "image/png", 5)]

html_theme = "furo"
html_title = project
html_static_path = [str(SOURCE / "static")]
html_extra_path = [str(SOURCE / "extra")]
html_css_files = ["course.css"]
html_js_files = ["course.js"]
html_favicon = str(SOURCE / "static/icon.svg")
html_use_index = False
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {"color-brand-primary": "#0072B2", "color-brand-content": "#0064A0"},
    "dark_css_variables": {"color-brand-primary": "#56B4E9", "color-brand-content": "#6BBDF0"},
}

# Beside the pages, so that they need no network.
mathjax_path = "mathjax/tex-svg-full.js"
