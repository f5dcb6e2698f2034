"""The frame around the pages: name, navigation, the time, and one sentence instead of a traceback when something is wrong."""

from __future__ import annotations

import streamlit as st

from sagekeeper.core.errors import SagekeeperError
from sagekeeper.dashboard import elements
from sagekeeper.dashboard.opened import moment
from sagekeeper.dashboard.pages import PAGES
from sagekeeper.dashboard.remembered import look_again
from sagekeeper.reports import wording as say


def show_chosen_page(first: str = PAGES[0].path) -> None:
    """Show the page that the address names, or ``first``."""
    st.set_page_config(page_title="Sagekeeper", page_icon=elements.ICON, layout="wide")
    pages = {
        page.path: st.Page(page.show, title=page.title, icon=page.icon, url_path=page.path, default=page.path == first)
        for page in PAGES
    }
    if "pages" not in st.session_state:
        look_again()
    st.session_state["pages"] = pages
    st.html(elements.STYLE)
    st.logo(elements.LOGO, size="large", icon_image=elements.ICON)
    chosen = st.navigation(list(pages.values()))
    try:
        chosen.run()
        st.sidebar.caption(f"As of {say.moment(moment().as_of)}")
    except SagekeeperError as error:
        st.error(say.in_markdown(str(error)), icon=":material/error:")
