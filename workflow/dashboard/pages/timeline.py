"""What each worker did when."""

from workflow.dashboard.page import Page

PAGE = Page("Timeline", 30, script="timeline")
