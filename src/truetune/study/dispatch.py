"""What a worker is answered while it trains, whoever stands behind the answers."""

from __future__ import annotations

from truetune.errors import TruetuneError
from truetune.training import messages


def reply(host: messages.Host, message: object) -> messages.Reply:
    """What the training asked for; bad input goes back to the worker, which ends the training with it."""
    try:
        if isinstance(message, messages.AskValue):
            return messages.Reply(host.answer(message.hyperparameter))
        if isinstance(message, messages.Built):
            return messages.Reply(host.built(message.values, message.parameters, message.complete))
        if isinstance(message, messages.Resumed):
            host.resumed(message.reports)
            return messages.Reply(None)
        if isinstance(message, messages.Note):
            host.note(message.line)
            return messages.Reply(None)
        if isinstance(message, messages.StageBegins):
            host.stage_begins(message)
            return messages.Reply(None)
        assert isinstance(message, messages.Epoch), message
        return messages.Reply(host.epoch(message.epoch, message.value))
    except TruetuneError as error:
        return messages.Reply(None, error)
