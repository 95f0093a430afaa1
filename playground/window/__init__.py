"""The local window, on pygame: a clock for sessions, keys, and drawings of their events."""
