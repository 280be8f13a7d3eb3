"""The Agent Approval Protocol, version 1: agents' frameworks ask before each tool call, and run it at most once.

Source of the wire format: https://agentapprovalprotocol.io/specification and its OpenAPI document; ``consume``,
``outcome`` and ``server`` as the client library of 2026 sends them.
"""
