"""The dashboard: runs looked at in a browser, live, and asked for something.

It reads the files of run folders and leaves requests in them; it needs no controller and no controller
needs it. `app` puts it together, `followed` watches a run, `security` says who may look.
"""
