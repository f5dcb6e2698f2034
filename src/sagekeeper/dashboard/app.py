"""The dashboard's entry: ``streamlit run app.py``, with the options that `launch.py` gives."""

from sagekeeper.dashboard.navigation import show_chosen_page

show_chosen_page()
