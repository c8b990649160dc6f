"""Who may write to a topic, on a broker that asks its authorizer."""

from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

AUTHORIZING = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
"""
"""Properties of a broker where everybody may do what no rule is about."""

# Kafka's codes: KIP-140, KIP-290. Clients without TLS or SASL are all this one.
_TOPIC, _LITERAL = 2, 3
_EVERYBODY, _ANYWHERE = "User:ANONYMOUS", "*"
_WRITE, _DENY = 4, 2


async def deny_writing(bootstrap: str, topic: str) -> None:
    """From now on nobody may write to the topic."""
    rule = (_TOPIC, topic, _LITERAL, _EVERYBODY, _ANYWHERE, _WRITE, _DENY)
    answer = await _ask(bootstrap, CreateAclsRequest(*rule))
    ((code, _),) = answer.creation_responses
    assert for_code(code).errno == 0


async def allow_writing(bootstrap: str, topic: str) -> None:
    """Takes the rule back."""
    rule = (_TOPIC, topic, _LITERAL, _EVERYBODY, _ANYWHERE, _WRITE, _DENY)
    answer = await _ask(bootstrap, DeleteAclsRequest(*rule))
    ((code, _, removed),) = answer.filter_responses
    assert for_code(code).errno == 0
    assert len(removed) == 1


async def _ask(bootstrap: str, request: CreateAclsRequest | DeleteAclsRequest) -> Any:
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    try:
        await client.bootstrap()
        return await client.send(client.get_random_node(), request)
    finally:
        await client.close()
