"""How the dashboard is started: the whole command, settings and theme included, so that no configuration file has to
be found.

In: port and address. Out: the arguments for a process (`subprocess.Popen(command(...))`). Where lake and ledger are
comes from the settings, read by the app itself (environment, `sagekeeper.toml`).
"""

from __future__ import annotations

import sys
from pathlib import Path

APP = Path(__file__).with_name("app.py")

_FONT = "Inter, 'Source Sans', 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
OPTIONS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "server.enableXsrfProtection": "true",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "ui.hideTopBar": "true",
    "client.showErrorDetails": "none",
    "theme.font": _FONT,
    "theme.headingFont": _FONT,
    "theme.baseFontSize": "15",
    "theme.baseRadius": "0.5rem",
    "theme.metricValueFontSize": "1.9rem",
    "theme.metricValueFontWeight": "600",
    "theme.headingFontSizes": '["1.75rem", "1.2rem", "1.05rem", "1rem", "0.9rem", "0.85rem"]',
    "theme.headingFontWeights": "[700, 600, 600, 600, 600, 600]",
    "theme.showWidgetBorder": "true",
    "theme.light.primaryColor": "#0B6BA8",
    "theme.light.backgroundColor": "#FFFFFF",
    "theme.light.secondaryBackgroundColor": "#F4F6F8",
    "theme.light.textColor": "#1B2430",
    "theme.light.borderColor": "#DDE2E8",
    "theme.light.sidebar.backgroundColor": "#F4F6F8",
    "theme.dark.primaryColor": "#4DA8DA",
    "theme.dark.backgroundColor": "#12171D",
    "theme.dark.secondaryBackgroundColor": "#1B222B",
    "theme.dark.textColor": "#E6EAF0",
    "theme.dark.borderColor": "#303A46",
    "theme.dark.sidebar.backgroundColor": "#171D24",
}


def command(port: int, address: str = "127.0.0.1") -> list[str]:
    """The process that serves the dashboard on ``http://address:port``."""
    flags = {**OPTIONS, "server.port": str(port), "server.address": address}
    return [
        sys.executable,
        "-m",
        "sagekeeper.dashboard",
        "run",
        str(APP),
        *(part for name, value in flags.items() for part in (f"--{name}", value)),
    ]
