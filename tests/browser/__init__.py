"""The course as a learner sees it: JupyterLab in a browser."""
