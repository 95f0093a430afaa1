"""The web page: a server, a session for each visitor, and the page's own script in `static/`."""
