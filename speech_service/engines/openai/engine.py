"""The engine: each item asks the server on the engine's own event loop."""

import asyncio

from speech_service.domain.models import ModelCapabilities
from speech_service.domain.work import TranslateWork, Work
from speech_service.engines.model_server.client import ServerClient, ServerRole
from speech_service.engines.model_server.engine import Emit, Ended, ServerEngine
from speech_service.engines.openai import OpenAiOptions
from speech_service.engines.openai.client import ChatClient
from speech_service.engines.openai.item import OpenAiItem

_ROLE = ServerRole("translation server", "translator")


def openai_engine(
    options: OpenAiOptions, capabilities: ModelCapabilities, api_key: str
) -> ServerEngine:
    """Make an engine that translates on the server of ``options``."""
    server = ServerClient(options, api_key, _ROLE, options.max_requests)
    client = ChatClient(options, server)
    requests = asyncio.Semaphore(options.max_requests)

    async def run(work: Work, emit: Emit) -> Ended:
        del emit  # translations come whole
        assert isinstance(work, TranslateWork), "only translation is sent to a translator"
        return await OpenAiItem(options, client, requests, work).run()

    return ServerEngine("openai-translator", capabilities, run, server)
