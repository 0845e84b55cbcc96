"""
# Which call answers my question?

Questions in words lead to the call, the command and the reading.
"""

from validstats.guide import which

for entry in which("is the new prompt better than the old one?", 1):
    print(entry)
