"""What the model in use says of any point."""

from workflow.dashboard.page import Page

PAGE = Page("What if", 80, script="whatif")
