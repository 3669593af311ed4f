"""Programs that each serve one implementation, for benchmarks that alternate between them.

Every one runs in a process and, where need be, in an environment of its own, and is told what to do over a pipe.
``loop.py`` and the peers that run in foreign environments import nothing of this project.
"""
