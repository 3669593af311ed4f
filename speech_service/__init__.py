"""A gRPC-native streaming speech service.

Importing it, which every process of the service begins with, switches the telemetry of libraries off before one loads.
"""

from speech_service.config.environment import LIBRARY_ENVIRONMENT, set_environment_defaults

__version__ = "0.1.0"

set_environment_defaults(LIBRARY_ENVIRONMENT)
