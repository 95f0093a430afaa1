"""The local window, on pygame: keys and mouse become requests, and sessions are drawn."""
