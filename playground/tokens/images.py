"""Pictures are cut into patches of 16 x 16, as in Gato (Reed et al. 2022, section 2.1)."""

PATCH = 16
"""Side of a patch in pixels."""
