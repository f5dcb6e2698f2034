"""``python -m sagekeeper.dashboard run app.py ...``: Streamlit's own command line, with what the pages compute with
loaded before.

Streamlit would load it for the first visitor, who would wait seconds for it; here the port only answers once it is
there.
"""

from __future__ import annotations

import sys

import streamlit.web.cli

import sagekeeper.reports.charts
import sagekeeper.reports.views.overview
import sagekeeper.reports.views.shifts  # noqa: F401 (loaded, not used)

if __name__ == "__main__":
    sys.argv[0] = "streamlit"
    sys.exit(streamlit.web.cli.main())
