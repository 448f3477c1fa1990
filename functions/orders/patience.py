"""How often a service function is called again that gave no answer: pauses, in seconds.

As often as a step repeats by itself. Not spread at random: a replay must not decide anew.
"""

# Six calls to do something.
BRIEFLY = (2, 4, 8, 16, 32)
# Twelve calls to undo it.
PATIENTLY = (2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300)
