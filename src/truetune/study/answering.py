"""What a worker is answered while it trains, whoever stands behind the answers."""

from __future__ import annotations

from truetune.errors import TruetuneError
from truetune.training import protocol


def reply(host: protocol.Host, message: object) -> protocol.Reply:
    """What the training asked for; bad input goes back to the worker, which ends the training with it."""
    try:
        if isinstance(message, protocol.AskValue):
            return protocol.Reply(host.answer(message.hyperparameter))
        if isinstance(message, protocol.Built):
            return protocol.Reply(host.built(message.values, message.parameters, message.complete))
        if isinstance(message, protocol.Resumed):
            host.resumed(message.reports)
            return protocol.Reply(None)
        if isinstance(message, protocol.Note):
            host.note(message.line)
            return protocol.Reply(None)
        assert isinstance(message, protocol.Epoch), message
        return protocol.Reply(host.epoch(message.epoch, message.value))
    except TruetuneError as error:
        return protocol.Reply(None, error)
