"""From submitted work to finished work: queue, policy, device lanes, worker processes.

Knows protocols, configuration and domain values only: no engine, no session, no metrics library.
"""
