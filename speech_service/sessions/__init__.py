"""Sans-IO state machines, one per RPC: they take events and return actions, and know no loop, socket or model."""
