"""The errors that a person may read, each with its HTTP status."""

from __future__ import annotations


class LocuscopeError(Exception):
    """Something went wrong that a person can understand and act on.

    Attributes:
        message: One or two sentences that say what is wrong and what to do.
        suggestion: The nearest valid reading of what was asked, if there is one.
        status: The HTTP status that carries this error.
    """

    status = 500

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


class BadInputError(LocuscopeError):
    """What was typed, linked or sent cannot be understood or is out of range."""

    status = 400


class NotFoundError(LocuscopeError):
    """A genome, gene, track, model or job with that name does not exist."""

    status = 404


class BundleError(LocuscopeError):
    """A genome bundle or one of its files is missing, damaged or contradicts the reference."""

    status = 422


class ReferenceMismatchError(BadInputError):
    """The REF allele of a variant is not what the reference sequence has there."""


class SequenceUnavailableError(BadInputError):
    """The reference of this bundle does not cover the interval."""


class ModelUnavailableError(LocuscopeError):
    """A model's weights are missing, have the wrong hash, or its package is not installed."""

    status = 503


class WorkerUnavailableError(LocuscopeError):
    """No broker or no worker answers."""

    status = 503


class LimitError(BadInputError):
    """A request is larger than a documented limit."""

    status = 413


class BusyError(LimitError):
    """Too much is being asked for at this moment; the same request may be sent again later.

    Attributes:
        retry_after: Seconds after which that is worth while.
    """

    status = 429
    retry_after = 10


class StorageError(LocuscopeError):
    """Results cannot be stored."""

    status = 507


class AccessError(LocuscopeError):
    """The token of this Locuscope is missing or wrong."""

    status = 401


class ForeignRequestError(LocuscopeError):
    """The page of another site asked for something to be done."""

    status = 403


class ComputationError(LocuscopeError):
    """A model failed on its input."""

    status = 500
