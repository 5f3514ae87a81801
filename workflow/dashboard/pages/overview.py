"""How the run is getting on."""

from workflow.dashboard.page import Page

PAGE = Page("Overview", 10, script="overview")
