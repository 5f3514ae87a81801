"""Every task and simulation, and why some failed."""

from workflow.dashboard.page import Page

PAGE = Page("Tasks", 20, script="tasks")
